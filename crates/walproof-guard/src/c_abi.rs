//! The C functions. The header `include/walproof_guard.h` is made from the comments and signatures below.
//!
//! An assessment is one object with text inside; the text lives until it is freed. No function here writes to standard
//! output, sets a signal handler or aborts; a panic of ours becomes NULL. Symbols are exported with the feature
//! `shared-object` alone, so that a Rust program that embeds the crate does not export them as well.
//!
//! What this file must not do: decide anything.
//! Where to look next: `tests/header.rs` makes the header and checks that it is fresh; docs/guard.md shows its use.

use std::ffi::{CStr, CString, OsStr, c_char, c_int, c_uint};
use std::os::unix::ffi::OsStrExt;
use std::panic::catch_unwind;
use std::ptr;

use crate::{Assessment, Options, Verdict, WhenUnknown, assess_with};

/// Flag: `unknown` recommends WAL (fail open). Without it, it does not (fail closed).
pub const WALPROOF_FAIL_OPEN: c_uint = 1;
/// Flag: make no scratch file. The best answer is `unknown` then.
pub const WALPROOF_NO_PROBE: c_uint = 2;
/// Flag: also let a forked child meet a POSIX lock of this process.
pub const WALPROOF_POSIX_CHILD: c_uint = 4;

/// Verdict: everything measured is as WAL needs it; read the conditions among the reasons.
pub const WALPROOF_SAFE: c_int = 0;
/// Verdict: nothing broke, and something that cannot be seen from here may break it.
pub const WALPROOF_RISKY: c_int = 1;
/// Verdict: SQLite fails loudly; nothing is lost.
pub const WALPROOF_REFUSES: c_int = 2;
/// Verdict: it cannot be told from here.
pub const WALPROOF_UNKNOWN: c_int = 3;
/// Verdict: it breaks.
pub const WALPROOF_UNSAFE: c_int = 4;

/// An answer, to be freed with walproof_assessment_free.
#[expect(non_camel_case_types, reason = "the name that C programs know it by")]
pub struct walproof_assessment {
    answer: Assessment,
    journal_mode: CString,
    verdict: CString,
    pragmas: CString,
    filesystem: CString,
    line: CString,
    json: CString,
    reasons: Vec<CString>,
}

/// May the database at this path use WAL? `flags` is an or of the flags above. NULL only for a NULL path, unknown flags,
/// or a failure of the library itself: then do not use WAL. The database and the files beside it are not opened.
///
/// # Safety
///
/// `path` is NULL or a NUL-terminated string.
#[cfg_attr(feature = "shared-object", unsafe(no_mangle))]
pub unsafe extern "C" fn walproof_assess(path: *const c_char, flags: c_uint) -> *mut walproof_assessment {
    if path.is_null() {
        return ptr::null_mut();
    }
    let Some(options) = options(flags) else { return ptr::null_mut() };
    // SAFETY: not NULL, and NUL-terminated by this function's contract.
    let path = unsafe { CStr::from_ptr(path) };
    let path = OsStr::from_bytes(path.to_bytes());
    let made = catch_unwind(|| Box::into_raw(Box::new(for_c(assess_with(path, options)))));
    made.unwrap_or(ptr::null_mut())
}

/// One of WALPROOF_SAFE to WALPROOF_UNSAFE; WALPROOF_UNKNOWN for NULL.
///
/// # Safety
///
/// `assessment` is NULL or from walproof_assess and not freed.
#[cfg_attr(feature = "shared-object", unsafe(no_mangle))]
pub unsafe extern "C" fn walproof_assessment_verdict(assessment: *const walproof_assessment) -> c_int {
    // SAFETY: by this function's contract.
    match unsafe { assessment.as_ref() }.map(|assessment| assessment.answer.verdict) {
        Some(Verdict::Safe) => WALPROOF_SAFE,
        Some(Verdict::Risky) => WALPROOF_RISKY,
        Some(Verdict::Refuses) => WALPROOF_REFUSES,
        Some(Verdict::Unknown) | None => WALPROOF_UNKNOWN,
        Some(Verdict::Unsafe) => WALPROOF_UNSAFE,
    }
}

/// 1 if WAL is recommended, else 0; 0 for NULL.
///
/// # Safety
///
/// `assessment` is NULL or from walproof_assess and not freed.
#[cfg_attr(feature = "shared-object", unsafe(no_mangle))]
pub unsafe extern "C" fn walproof_assessment_may_use_wal(assessment: *const walproof_assessment) -> c_int {
    // SAFETY: by this function's contract.
    unsafe { assessment.as_ref() }.is_some_and(|assessment| assessment.answer.may_use_wal()).into()
}

/// "safe", "risky", "refuses", "unknown" or "unsafe"; NULL for NULL. Valid until the assessment is freed.
///
/// # Safety
///
/// `assessment` is NULL or from walproof_assess and not freed.
#[cfg_attr(feature = "shared-object", unsafe(no_mangle))]
pub unsafe extern "C" fn walproof_assessment_verdict_word(assessment: *const walproof_assessment) -> *const c_char {
    // SAFETY: by this function's contract.
    text(unsafe { assessment.as_ref() }.map(|assessment| &assessment.verdict))
}

/// "wal" or "delete", for PRAGMA journal_mode; NULL for NULL. Valid until the assessment is freed.
///
/// # Safety
///
/// `assessment` is NULL or from walproof_assess and not freed.
#[cfg_attr(feature = "shared-object", unsafe(no_mangle))]
pub unsafe extern "C" fn walproof_assessment_journal_mode(assessment: *const walproof_assessment) -> *const c_char {
    // SAFETY: by this function's contract.
    text(unsafe { assessment.as_ref() }.map(|assessment| &assessment.journal_mode))
}

/// The recommended pragmas, ready for sqlite3_exec on every new connection; NULL for NULL. Valid until the assessment
/// is freed.
///
/// # Safety
///
/// `assessment` is NULL or from walproof_assess and not freed.
#[cfg_attr(feature = "shared-object", unsafe(no_mangle))]
pub unsafe extern "C" fn walproof_assessment_pragmas(assessment: *const walproof_assessment) -> *const c_char {
    // SAFETY: by this function's contract.
    text(unsafe { assessment.as_ref() }.map(|assessment| &assessment.pragmas))
}

/// The type of the file system as the kernel lists it, "" if that is not known; NULL for NULL. Valid until the
/// assessment is freed.
///
/// # Safety
///
/// `assessment` is NULL or from walproof_assess and not freed.
#[cfg_attr(feature = "shared-object", unsafe(no_mangle))]
pub unsafe extern "C" fn walproof_assessment_filesystem(assessment: *const walproof_assessment) -> *const c_char {
    // SAFETY: by this function's contract.
    text(unsafe { assessment.as_ref() }.map(|assessment| &assessment.filesystem))
}

/// Everything in one line, for a log; NULL for NULL. Valid until the assessment is freed.
///
/// # Safety
///
/// `assessment` is NULL or from walproof_assess and not freed.
#[cfg_attr(feature = "shared-object", unsafe(no_mangle))]
pub unsafe extern "C" fn walproof_assessment_line(assessment: *const walproof_assessment) -> *const c_char {
    // SAFETY: by this function's contract.
    text(unsafe { assessment.as_ref() }.map(|assessment| &assessment.line))
}

/// Everything as one JSON document; NULL for NULL. Valid until the assessment is freed.
///
/// # Safety
///
/// `assessment` is NULL or from walproof_assess and not freed.
#[cfg_attr(feature = "shared-object", unsafe(no_mangle))]
pub unsafe extern "C" fn walproof_assessment_json(assessment: *const walproof_assessment) -> *const c_char {
    // SAFETY: by this function's contract.
    text(unsafe { assessment.as_ref() }.map(|assessment| &assessment.json))
}

/// How many reasons there are; 0 for NULL.
///
/// # Safety
///
/// `assessment` is NULL or from walproof_assess and not freed.
#[cfg_attr(feature = "shared-object", unsafe(no_mangle))]
pub unsafe extern "C" fn walproof_assessment_reason_count(assessment: *const walproof_assessment) -> usize {
    // SAFETY: by this function's contract.
    unsafe { assessment.as_ref() }.map_or(0, |assessment| assessment.reasons.len())
}

/// A reason as one sentence, the worst first; NULL for NULL or past the last. Valid until the assessment is freed.
///
/// # Safety
///
/// `assessment` is NULL or from walproof_assess and not freed.
#[cfg_attr(feature = "shared-object", unsafe(no_mangle))]
pub unsafe extern "C" fn walproof_assessment_reason(
    assessment: *const walproof_assessment,
    index: usize,
) -> *const c_char {
    // SAFETY: by this function's contract.
    text(unsafe { assessment.as_ref() }.and_then(|assessment| assessment.reasons.get(index)))
}

/// Frees an assessment and all its text; does nothing for NULL.
///
/// # Safety
///
/// `assessment` is NULL or from walproof_assess and not freed; no text of it is used afterwards.
#[cfg_attr(feature = "shared-object", unsafe(no_mangle))]
pub unsafe extern "C" fn walproof_assessment_free(assessment: *mut walproof_assessment) {
    if !assessment.is_null() {
        // SAFETY: it came from Box::into_raw in walproof_assess, and by this function's contract comes once.
        drop(unsafe { Box::from_raw(assessment) });
    }
}

fn options(flags: c_uint) -> Option<Options> {
    let known = WALPROOF_FAIL_OPEN | WALPROOF_NO_PROBE | WALPROOF_POSIX_CHILD;
    (flags & !known == 0).then_some(Options {
        probe: flags & WALPROOF_NO_PROBE == 0,
        posix_child: flags & WALPROOF_POSIX_CHILD != 0,
        when_unknown: if flags & WALPROOF_FAIL_OPEN == 0 { WhenUnknown::NoWal } else { WhenUnknown::Wal },
    })
}

fn for_c(answer: Assessment) -> walproof_assessment {
    walproof_assessment {
        journal_mode: c_string(answer.journal_mode.word()),
        verdict: c_string(answer.verdict.word()),
        pragmas: c_string(answer.pragmas()),
        filesystem: c_string(answer.filesystem.as_ref().map_or("", |filesystem| &filesystem.fstype)),
        line: c_string(&answer.to_string()),
        json: c_string(&answer.to_json()),
        reasons: answer.reasons.iter().map(|reason| c_string(&reason.says)).collect(),
        answer,
    }
}

/// The text up to its first NUL; there is none, unless a mount table holds it.
pub(crate) fn c_string(text: &str) -> CString {
    let text = text.split('\0').next().unwrap_or_default();
    CString::new(text).unwrap_or_default()
}

fn text(text: Option<&CString>) -> *const c_char {
    text.map_or(ptr::null(), |text| text.as_ptr())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn null_is_answered_and_never_followed() {
        let null = ptr::null_mut();
        // SAFETY: every function takes NULL.
        unsafe {
            assert!(walproof_assess(ptr::null(), 0).is_null());
            assert_eq!(walproof_assessment_verdict(null), WALPROOF_UNKNOWN);
            assert_eq!(walproof_assessment_may_use_wal(null), 0);
            assert!(walproof_assessment_line(null).is_null() && walproof_assessment_reason(null, 0).is_null());
            walproof_assessment_free(null);
        }
    }

    #[test]
    fn flags_that_nobody_knows_are_refused() {
        // SAFETY: the path is NUL-terminated.
        assert!(unsafe { walproof_assess(c"/tmp/a.db".as_ptr(), 8) }.is_null());
    }

    #[test]
    fn fail_open_is_the_callers_choice() {
        for (flags, wal) in [(0, 0), (WALPROOF_FAIL_OPEN, 1)] {
            // SAFETY: the path is NUL-terminated, and each assessment is freed once.
            unsafe {
                let assessment = walproof_assess(c"/nowhere/at/all/a.db".as_ptr(), flags);
                assert_eq!(walproof_assessment_verdict(assessment), WALPROOF_UNKNOWN);
                assert_eq!(walproof_assessment_may_use_wal(assessment), wal);
                walproof_assessment_free(assessment);
            }
        }
    }
}
