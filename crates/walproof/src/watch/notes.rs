//! What a watch says of itself: which container was taken, that a webhook does not answer.
//!
//! One note for each thing, the last word on it. Lines for people get it on standard error, once; the view shows it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

/// Notes, shared by all who write and show them.
#[derive(Clone, Debug, Default)]
pub struct Notes {
    all: Arc<Mutex<BTreeMap<String, String>>>,
    aloud: bool,
}

impl Notes {
    /// `aloud`: each is written to standard error when it first comes.
    pub fn new(aloud: bool) -> Self {
        Self { aloud, ..Self::default() }
    }

    /// What is to be said of a thing now.
    pub fn say(&self, about: &str, text: String) {
        let before = self.all.lock().unwrap_or_else(PoisonError::into_inner).insert(about.to_owned(), text.clone());
        if self.aloud && before.is_none() {
            eprintln!("walproof: {}", walproof_judge::render::harmless(&text));
        }
    }

    /// Nothing is to be said of it any more. It may be said anew.
    pub fn take_back(&self, about: &str) {
        self.all.lock().unwrap_or_else(PoisonError::into_inner).remove(about);
    }

    /// All of them.
    pub fn all(&self) -> Vec<String> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
    }
}
