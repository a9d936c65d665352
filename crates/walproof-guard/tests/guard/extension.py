"""The extension in Python's sqlite3: what it says, and that the connection's locks and data survive being asked."""
import json
import os
import sqlite3
import subprocess
import sys

library, folder = sys.argv[1:]
database = os.path.join(folder, "app.db")


def connect(name, **options):
    connection = sqlite3.connect(name, isolation_level=None, timeout=0.2, **options)
    connection.enable_load_extension(True)
    connection.load_extension(library)
    return connection


def ask(connection, what):
    return connection.execute("SELECT " + what).fetchone()[0]


def other_process_is_refused():
    code = "import sqlite3, sys; sqlite3.connect(sys.argv[1], timeout=0.1, isolation_level=None).execute('BEGIN EXCLUSIVE')"
    ended = subprocess.run([sys.executable, "-c", code, database], capture_output=True, text=True)
    return "database is locked" in ended.stderr


one = connect(database)
mode = ask(one, "walproof_journal_mode()")
assert mode in ("wal", "delete") and ask(one, "walproof_verdict()") in ("safe", "risky", "unknown"), mode
one.execute("PRAGMA journal_mode=" + mode)
one.execute("CREATE TABLE t(x)")

# In the middle of a write transaction: nobody else gets in, before and after the question.
one.execute("BEGIN IMMEDIATE")
one.execute("INSERT INTO t VALUES (1)")
assert other_process_is_refused()
told = json.loads(ask(one, "walproof_assess()"))
assert told["path"] == os.path.realpath(database), told
assert other_process_is_refused(), "asking dropped the connection's locks"
one.execute("COMMIT")
assert ask(one, "count(*) FROM t") == 1

# Databases without a file, attached ones, and ways of opening that lock otherwise.
memory = connect(":memory:")
assert ask(memory, "walproof_journal_mode()") is None and ask(memory, "walproof_verdict()") == "unknown"
memory.execute("ATTACH ? AS other", (database,))
assert ask(memory, "walproof_journal_mode('other')") == mode
assert ask(memory, "walproof_journal_mode('nobody')") is None
nolock = connect("file:" + os.path.join(folder, "b.db") + "?nolock=1", uri=True)
assert ask(nolock, "walproof_verdict()") == "unsafe", ask(nolock, "walproof_assess()")
dotfile = connect("file:" + os.path.join(folder, "c.db") + "?vfs=unix-dotfile", uri=True)
assert ask(dotfile, "walproof_verdict()") == "unknown", ask(dotfile, "walproof_assess()")

left = [name for name in os.listdir(folder) if name.startswith(".walproof-guard-")]
assert not left, left
print(f"SQLite {sqlite3.sqlite_version}: {mode}, {told['verdict']}")
print("all held")
