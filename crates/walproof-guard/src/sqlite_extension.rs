//! The SQLite extension: what the guard says of the database that a connection has open.
//!
//! ```sql
//! SELECT load_extension('./libwalproof_guard');
//! SELECT walproof_journal_mode();      -- 'wal' or 'delete'; NULL for a database without a file
//! SELECT walproof_verdict();           -- 'safe', 'risky', 'refuses', 'unknown', 'unsafe'
//! SELECT walproof_assess();            -- everything, as JSON
//! SELECT walproof_assess('attached');  -- of an attached database
//! ```
//!
//! It links to no SQLite: every function comes from the table of routines that the loading SQLite hands over, by its
//! place there. SQLite never moves an entry (sqlite3ext.h), and a test compares the places with the header. The
//! functions write a scratch file, so schemas and views may not call them (SQLITE_DIRECTONLY).
//!
//! What this file must not do: open the database, or run SQL. One table is kept for the process, as SQLite's own
//! SQLITE_EXTENSION_INIT2 does: two SQLite libraries in one process must not both load it.
//! Where to look next: `c_abi` for other languages, `tests/shared_object.rs` loads it.

use std::ffi::{CStr, OsStr, c_char, c_int, c_void};
use std::os::unix::ffi::OsStrExt;
use std::panic::catch_unwind;
use std::ptr;
use std::sync::atomic::{AtomicPtr, Ordering};

use crate::c_abi::c_string;
use crate::{Assessment, Certainty, Options, Reason, Verdict, assess_with};

/// Places in `struct sqlite3_api_routines`, counted from 0, with SQLite's names.
pub const ROUTINES: &[(&str, usize)] = &[
    ("libversion_number", LIBVERSION_NUMBER),
    ("free", FREE),
    ("result_error", RESULT_ERROR),
    ("result_null", RESULT_NULL),
    ("result_text", RESULT_TEXT),
    ("value_text", VALUE_TEXT),
    ("file_control", FILE_CONTROL),
    ("context_db_handle", CONTEXT_DB_HANDLE),
    ("create_function_v2", CREATE_FUNCTION_V2),
    ("db_filename", DB_FILENAME),
    ("uri_boolean", URI_BOOLEAN),
];
const FREE: usize = 58;
const LIBVERSION_NUMBER: usize = 67;
const RESULT_ERROR: usize = 80;
const RESULT_NULL: usize = 84;
const RESULT_TEXT: usize = 85;
const VALUE_TEXT: usize = 109;
const FILE_CONTROL: usize = 127;
const CONTEXT_DB_HANDLE: usize = 149;
const CREATE_FUNCTION_V2: usize = 162;
const DB_FILENAME: usize = 180;
const URI_BOOLEAN: usize = 187;

/// The first version whose table reaches as far, and that promises parameters of a file name to extensions.
const VERSION_MIN: c_int = 3_031_000;

const SQLITE_OK: c_int = 0;
const SQLITE_ERROR: c_int = 1;
const SQLITE_UTF8: c_int = 1;
const SQLITE_DIRECTONLY: c_int = 0x0008_0000;
const SQLITE_FCNTL_VFSNAME: c_int = 12;
const SQLITE_TRANSIENT: isize = -1;

/// What SQL may ask.
#[derive(Clone, Copy)]
enum Question {
    Everything,
    Verdict,
    JournalMode,
}

type Function = unsafe extern "C" fn(*mut c_void, c_int, *mut *mut c_void);
const FUNCTIONS: [(&CStr, Function); 3] = [
    (c"walproof_assess", tell_everything),
    (c"walproof_verdict", tell_verdict),
    (c"walproof_journal_mode", tell_journal_mode),
];

static API: AtomicPtr<*const c_void> = AtomicPtr::new(ptr::null_mut());

/// SQLite's entry point; its name follows from that of the shared object, libwalproof_guard.so.
///
/// # Safety
///
/// Called by SQLite, which hands over an open connection and its table of routines.
#[cfg_attr(feature = "shared-object", unsafe(no_mangle))]
pub unsafe extern "C" fn sqlite3_walproofguard_init(
    connection: *mut c_void,
    _error: *mut *mut c_char,
    api: *const c_void,
) -> c_int {
    if connection.is_null() || api.is_null() {
        return SQLITE_ERROR;
    }
    API.store(api.cast::<*const c_void>().cast_mut(), Ordering::Release);
    // SAFETY: the table is SQLite's; its first 67 entries are older than version 3.
    if unsafe { version() } < VERSION_MIN {
        return SQLITE_ERROR;
    }
    for (name, function) in FUNCTIONS {
        for arguments in [0, 1] {
            // SAFETY: connection and table are SQLite's, and the version has all routines.
            let answer = unsafe { create_function(connection, name, arguments, function) };
            if answer != SQLITE_OK {
                return answer;
            }
        }
    }
    SQLITE_OK
}

unsafe extern "C" fn tell_everything(context: *mut c_void, count: c_int, values: *mut *mut c_void) {
    // SAFETY: SQLite calls this with its own context and values.
    unsafe { tell(Question::Everything, context, count, values) }
}

unsafe extern "C" fn tell_verdict(context: *mut c_void, count: c_int, values: *mut *mut c_void) {
    // SAFETY: SQLite calls this with its own context and values.
    unsafe { tell(Question::Verdict, context, count, values) }
}

unsafe extern "C" fn tell_journal_mode(context: *mut c_void, count: c_int, values: *mut *mut c_void) {
    // SAFETY: SQLite calls this with its own context and values.
    unsafe { tell(Question::JournalMode, context, count, values) }
}

/// Answers one call. No panic of ours may run through SQLite's frames.
unsafe fn tell(question: Question, context: *mut c_void, count: c_int, values: *mut *mut c_void) {
    let told = catch_unwind(|| {
        // SAFETY: as this function's; `values` has `count` entries, and the schema's text lives as long as the call.
        let schema = unsafe { schema(count, values) };
        // SAFETY: the context belongs to a call that is under way.
        let answer = unsafe { answer(question, context, schema) };
        // SAFETY: as above.
        unsafe { give(context, answer.as_deref()) };
    });
    if told.is_err() {
        // SAFETY: the text is NUL-terminated and copied by SQLite.
        unsafe { result_error(context, c"walproof_guard failed: this is a bug of walproof") };
    }
}

unsafe fn answer(question: Question, context: *mut c_void, schema: &CStr) -> Option<String> {
    // SAFETY: the context is of a call that is under way; `main` and the caller's word are NUL-terminated.
    let (connection, file) = unsafe {
        let connection = context_db_handle(context);
        (connection, db_filename(connection, schema.as_ptr()))
    };
    // SAFETY: a file name of SQLite is NULL or NUL-terminated, and lives as long as the database is attached.
    let path = if file.is_null() { c"" } else { unsafe { CStr::from_ptr(file) } };
    if path.is_empty() && matches!(question, Question::JournalMode) {
        return None;
    }
    let mut assessment = assess_with(OsStr::from_bytes(path.to_bytes()), Options::default());
    if !path.is_empty() {
        // SAFETY: connection, schema and file name belong together.
        assessment = unsafe { how_it_is_open(assessment, connection, schema, file) };
    }
    Some(match question {
        Question::Everything => assessment.to_json(),
        Question::Verdict => assessment.verdict.word().to_owned(),
        Question::JournalMode => assessment.journal_mode.word().to_owned(),
    })
}

/// What SQLite knows of the way this connection has the file open.
unsafe fn how_it_is_open(
    assessment: Assessment,
    connection: *mut c_void,
    schema: &CStr,
    file: *const c_char,
) -> Assessment {
    let reason = |name, verdict, says: String| Reason {
        name,
        verdict,
        certainty: Certainty::Documented,
        says,
        remedy: Some("open it with the VFS `unix` and without nolock"),
        source: Some("https://sqlite.org/vfs.html#standard_unix_vfses"),
    };
    let mut assessment = assessment;
    // SAFETY: connection and schema are SQLite's and the caller's, as in `answer`.
    let vfs = unsafe { vfs_name(connection, schema) };
    if vfs != "unix" {
        let says = format!("this connection opened it through the VFS `{vfs}`, which may lock in another way");
        assessment = assessment.with_reason(reason("other-vfs", Verdict::Unknown, says));
    }
    // SAFETY: `file` came from sqlite3_db_filename, which is what sqlite3_uri_boolean wants.
    if unsafe { uri_boolean(file, c"nolock") } {
        let says = "this connection opened it with nolock=1: others do not see its locks".to_owned();
        assessment = assessment.with_reason(reason("no-locks", Verdict::Unsafe, says));
    }
    assessment
}

/// The argument, or `main`.
unsafe fn schema<'a>(count: c_int, values: *mut *mut c_void) -> &'a CStr {
    if count == 0 {
        return c"main";
    }
    // SAFETY: `values` has at least one entry; the text is NULL or NUL-terminated and lives as long as the call.
    unsafe {
        let text = value_text(*values);
        if text.is_null() { c"main" } else { CStr::from_ptr(text) }
    }
}

unsafe fn give(context: *mut c_void, text: Option<&str>) {
    // SAFETY: the context belongs to a call that is under way; SQLite copies the text.
    unsafe {
        match text {
            Some(text) => result_text(context, &c_string(text)),
            None => result_null(context),
        }
    }
}

// ---- SQLite's routines, each by its place in the table ----

/// The entry at this place, as the function that stands there.
unsafe fn routine<F: Copy>(place: usize) -> F {
    const { assert!(size_of::<F>() == size_of::<*const c_void>(), "a function pointer") };
    // SAFETY: the table was handed over by SQLite, its version reaches this far, and `F` is the type of this entry.
    unsafe { std::mem::transmute_copy(&*API.load(Ordering::Acquire).add(place)) }
}

unsafe fn version() -> c_int {
    // SAFETY: `int (*libversion_number)(void)`.
    unsafe { routine::<unsafe extern "C" fn() -> c_int>(LIBVERSION_NUMBER)() }
}

unsafe fn create_function(connection: *mut c_void, name: &CStr, arguments: c_int, function: Function) -> c_int {
    type Create = unsafe extern "C" fn(
        *mut c_void,
        *const c_char,
        c_int,
        c_int,
        *mut c_void,
        Option<Function>,
        Option<Function>,
        Option<unsafe extern "C" fn(*mut c_void)>,
        Option<unsafe extern "C" fn(*mut c_void)>,
    ) -> c_int;
    let flags = SQLITE_UTF8 | SQLITE_DIRECTONLY;
    // SAFETY: the type is that of create_function_v2; SQLite copies the name.
    unsafe {
        let create = routine::<Create>(CREATE_FUNCTION_V2);
        create(connection, name.as_ptr(), arguments, flags, ptr::null_mut(), Some(function), None, None, None)
    }
}

unsafe fn context_db_handle(context: *mut c_void) -> *mut c_void {
    // SAFETY: `sqlite3 *(*context_db_handle)(sqlite3_context*)`.
    unsafe { routine::<unsafe extern "C" fn(*mut c_void) -> *mut c_void>(CONTEXT_DB_HANDLE)(context) }
}

unsafe fn db_filename(connection: *mut c_void, schema: *const c_char) -> *const c_char {
    type Filename = unsafe extern "C" fn(*mut c_void, *const c_char) -> *const c_char;
    // SAFETY: `const char *(*db_filename)(sqlite3*,const char*)`.
    unsafe { routine::<Filename>(DB_FILENAME)(connection, schema) }
}

unsafe fn value_text(value: *mut c_void) -> *const c_char {
    // SAFETY: `const unsigned char *(*value_text)(sqlite3_value*)`.
    unsafe { routine::<unsafe extern "C" fn(*mut c_void) -> *const c_char>(VALUE_TEXT)(value) }
}

unsafe fn uri_boolean(file: *const c_char, name: &CStr) -> bool {
    type Boolean = unsafe extern "C" fn(*const c_char, *const c_char, c_int) -> c_int;
    // SAFETY: `int (*uri_boolean)(const char*,const char*,int)`.
    unsafe { routine::<Boolean>(URI_BOOLEAN)(file, name.as_ptr(), 0) != 0 }
}

unsafe fn vfs_name(connection: *mut c_void, schema: &CStr) -> String {
    type Control = unsafe extern "C" fn(*mut c_void, *const c_char, c_int, *mut c_void) -> c_int;
    let mut name: *mut c_char = ptr::null_mut();
    // SAFETY: SQLITE_FCNTL_VFSNAME writes a string of sqlite3_malloc to a `char*`, or nothing.
    unsafe {
        let control = routine::<Control>(FILE_CONTROL);
        control(connection, schema.as_ptr(), SQLITE_FCNTL_VFSNAME, (&raw mut name).cast());
        if name.is_null() {
            return "?".to_owned();
        }
        let text = CStr::from_ptr(name).to_string_lossy().into_owned();
        routine::<unsafe extern "C" fn(*mut c_void)>(FREE)(name.cast());
        text
    }
}

unsafe fn result_text(context: *mut c_void, text: &CStr) {
    type Text = unsafe extern "C" fn(*mut c_void, *const c_char, c_int, isize);
    // SAFETY: `void (*result_text)(sqlite3_context*,const char*,int,void(*)(void*))`, the last being SQLITE_TRANSIENT.
    unsafe { routine::<Text>(RESULT_TEXT)(context, text.as_ptr(), -1, SQLITE_TRANSIENT) }
}

unsafe fn result_null(context: *mut c_void) {
    // SAFETY: `void (*result_null)(sqlite3_context*)`.
    unsafe { routine::<unsafe extern "C" fn(*mut c_void)>(RESULT_NULL)(context) }
}

unsafe fn result_error(context: *mut c_void, text: &CStr) {
    type Failed = unsafe extern "C" fn(*mut c_void, *const c_char, c_int);
    // SAFETY: `void (*result_error)(sqlite3_context*,const char*,int)`.
    unsafe { routine::<Failed>(RESULT_ERROR)(context, text.as_ptr(), -1) }
}
