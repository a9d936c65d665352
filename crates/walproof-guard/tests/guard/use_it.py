"""The guard from Python through ctypes: prints the JSON document, after checking it against the single answers."""
import ctypes
import json
import os
import sys

library = ctypes.CDLL(sys.argv[1])
path = os.fsencode(sys.argv[2])
library.walproof_assess.restype = ctypes.c_void_p
library.walproof_assess.argtypes = [ctypes.c_char_p, ctypes.c_uint]
for name in ("json", "line", "journal_mode", "verdict_word"):
    function = getattr(library, "walproof_assessment_" + name)
    function.restype, function.argtypes = ctypes.c_char_p, [ctypes.c_void_p]
library.walproof_assessment_free.argtypes = [ctypes.c_void_p]

assessment = library.walproof_assess(path, 0)
document = library.walproof_assessment_json(assessment).decode()
told = json.loads(document)
assert told["walproof_guard"] == 1 and told["path"] == os.fsdecode(path)
assert told["verdict"] == library.walproof_assessment_verdict_word(assessment).decode()
assert told["journal_mode"] == library.walproof_assessment_journal_mode(assessment).decode()
assert all(reason["name"] and reason["says"] for reason in told["reasons"])
library.walproof_assessment_free(assessment)

# A name that JSON must quote, and one that is not UTF-8.
for strange in (b'a"\\\n\x01.db', b"caf\xe9.db"):
    assessment = library.walproof_assess(os.path.join(os.path.dirname(path), strange), 0)
    assert json.loads(library.walproof_assessment_json(assessment).decode())["verdict"] == told["verdict"]
    library.walproof_assessment_free(assessment)
print(document)
