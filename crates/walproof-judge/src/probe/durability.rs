//! What one machine can tell of fsync, in words. Nothing here decides: power loss was not tested.

use serde::{Deserialize, Serialize};

use super::facts::Answer;

/// What was seen of a few writes, each followed by fdatasync.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Durability {
    /// The median of fdatasync in microseconds.
    pub sync_us: Option<f64>,
    /// How many there were.
    pub syncs: u64,
    /// Why it could not be done.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failed: Option<Answer>,
    /// The disk, as the kernel names it; `None`: no disk is seen here (network, FUSE, memory).
    pub disk: Option<String>,
    /// `write back`: it has a volatile cache, which must be flushed; `write through`: it says that it has none.
    pub write_cache: Option<String>,
    /// Flushes of that cache that the kernel counted meanwhile, of everybody.
    pub flushes: Option<u64>,
}

impl Durability {
    /// Whether fdatasync was seen to reach the device.
    pub fn reaches_device(&self) -> Answer {
        let unknown = |why: &str| Answer::Unknown(why.to_owned());
        match (&self.failed, &self.disk, self.write_cache.as_deref(), self.flushes) {
            (Some(failed), ..) => failed.clone(),
            (None, None, ..) => unknown("no disk is seen from here: a server, FUSE or memory decides"),
            (None, Some(_), Some("write through"), _) => unknown("the disk says that it has no volatile cache"),
            (None, Some(_), _, Some(0)) => Answer::No,
            (None, Some(_), _, Some(flushes)) if flushes >= self.syncs => Answer::Yes,
            (None, Some(_), _, Some(_)) => unknown("fewer flushes than fdatasyncs were counted"),
            (None, Some(_), _, None) => unknown("the kernel does not count flushes of this disk"),
        }
    }

    /// One line for people.
    pub fn words(&self) -> String {
        let time = self.sync_us.map_or("no fdatasync succeeded".to_owned(), |us| format!("fdatasync {us:.0} us"));
        let disk = self.disk.as_deref().unwrap_or("no disk");
        match self.reaches_device() {
            Answer::Yes => format!("{time}, each flushed the cache of {disk}"),
            Answer::No => {
                format!("{time}, and none flushed the cache of {disk}: a power cut may take acknowledged commits")
            }
            Answer::Errno(errno) => format!("fdatasync fails with errno {errno}"),
            Answer::Unknown(why) => format!("{time}; {why}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(write_cache: &str, flushes: u64) -> Answer {
        Durability {
            syncs: 8,
            disk: Some("vda".into()),
            write_cache: Some(write_cache.into()),
            flushes: Some(flushes),
            ..Durability::default()
        }
        .reaches_device()
    }

    #[test]
    fn a_counter_that_stands_still_is_a_no_unless_there_is_no_cache() {
        assert_eq!(seen("write back", 8), Answer::Yes);
        assert_eq!(seen("write back", 0), Answer::No);
        assert!(matches!(seen("write back", 3), Answer::Unknown(_)));
        assert!(matches!(seen("write through", 0), Answer::Unknown(_)));
        assert!(matches!(Durability::default().reaches_device(), Answer::Unknown(_)));
    }
}
