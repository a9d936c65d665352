//! POSIX byte-range locks as a server keeps them: by inode, by owner (a client and a process of it).
//!
//! Pure: nobody waits here; a conflict is answered at once.

use std::collections::HashMap;
use std::hash::Hash;

/// Who holds a lock: the client's number, and what its kernel calls the process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Owner {
    pub client: u64,
    pub process: u64,
}

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Shared,
    Exclusive,
    Unlock,
}

/// A lock, from its first byte to its last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Lock {
    pub owner: Owner,
    pub first: u64,
    pub last: u64,
    pub kind: Kind,
    /// For F_GETLK alone.
    pub pid: u32,
}

impl Lock {
    fn overlaps(&self, other: &Lock) -> bool {
        self.first <= other.last && other.first <= self.last
    }

    fn conflicts(&self, other: &Lock) -> bool {
        let exclusive = self.kind == Kind::Exclusive || other.kind == Kind::Exclusive;
        self.owner != other.owner && exclusive && self.kind != Kind::Unlock && self.overlaps(other)
    }

    /// What is left of this lock outside of another range.
    fn without(self, taken: &Lock) -> impl Iterator<Item = Lock> {
        let before = (self.first < taken.first).then(|| Lock { last: self.last.min(taken.first - 1), ..self });
        let after = (self.last > taken.last).then(|| Lock { first: self.first.max(taken.last + 1), ..self });
        before.into_iter().chain(after)
    }
}

/// All locks of a server.
#[derive(Debug)]
pub(super) struct LockTable<K> {
    files: HashMap<K, Vec<Lock>>,
}

impl<K> Default for LockTable<K> {
    fn default() -> Self {
        Self { files: HashMap::new() }
    }
}

impl<K: Eq + Hash + Copy> LockTable<K> {
    /// The lock of somebody else that stands in the way.
    pub fn in_the_way(&self, file: K, wanted: &Lock) -> Option<Lock> {
        self.files.get(&file)?.iter().find(|held| wanted.conflicts(held)).copied()
    }

    /// Takes, changes or gives back a lock; false: somebody else's stands in the way.
    pub fn set(&mut self, file: K, wanted: Lock) -> bool {
        if self.in_the_way(file, &wanted).is_some() {
            return false;
        }
        let held = self.files.entry(file).or_default();
        let own = |lock: &mut Lock| lock.owner == wanted.owner && lock.overlaps(&wanted);
        let rest: Vec<Lock> = held.extract_if(.., own).flat_map(|lock| lock.without(&wanted)).collect();
        held.extend(rest);
        if wanted.kind != Kind::Unlock {
            held.push(wanted);
        }
        if held.is_empty() {
            self.files.remove(&file);
        }
        true
    }

    /// A process closed a descriptor of the file: POSIX takes all its locks on it.
    pub fn release(&mut self, file: K, owner: Owner) {
        let all = Lock { owner, first: 0, last: u64::MAX, kind: Kind::Unlock, pid: 0 };
        self.set(file, all);
    }

    /// A client is gone, with all its processes.
    pub fn release_client(&mut self, client: u64) {
        self.files.retain(|_, held| {
            held.retain(|lock| lock.owner.client != client);
            !held.is_empty()
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: Owner = Owner { client: 1, process: 7 };
    const TWO: Owner = Owner { client: 2, process: 7 };

    fn lock(owner: Owner, kind: Kind, first: u64, last: u64) -> Lock {
        Lock { owner, first, last, kind, pid: 0 }
    }

    #[test]
    fn the_same_process_number_of_another_client_is_somebody_else() {
        let mut table = LockTable::default();
        assert!(table.set(1, lock(ONE, Kind::Exclusive, 120, 120)));
        assert!(table.set(1, lock(ONE, Kind::Exclusive, 120, 120)), "one's own lock is in nobody's way");
        assert!(!table.set(1, lock(TWO, Kind::Shared, 120, 120)));
        assert!(table.set(2, lock(TWO, Kind::Exclusive, 120, 120)), "another file");
        assert_eq!(table.in_the_way(1, &lock(TWO, Kind::Shared, 0, u64::MAX)).map(|held| held.owner), Some(ONE));
    }

    #[test]
    fn shared_locks_meet_and_keep_writers_out() {
        let mut table = LockTable::default();
        assert!(table.set(1, lock(ONE, Kind::Shared, 2, 511)));
        assert!(table.set(1, lock(TWO, Kind::Shared, 2, 511)));
        assert!(!table.set(1, lock(ONE, Kind::Exclusive, 2, 511)), "an upgrade waits for the other reader");
        assert!(table.in_the_way(1, &lock(TWO, Kind::Exclusive, 2, 511)).is_some(), "and its own shared one stays");
        table.release(1, TWO);
        assert!(table.set(1, lock(ONE, Kind::Exclusive, 2, 511)));
    }

    #[test]
    fn a_lock_is_given_back_in_parts() {
        let mut table = LockTable::default();
        table.set(1, lock(ONE, Kind::Exclusive, 0, 99));
        table.set(1, lock(ONE, Kind::Unlock, 40, 59));
        assert!(table.set(1, lock(TWO, Kind::Exclusive, 40, 59)));
        assert!(!table.set(1, lock(TWO, Kind::Exclusive, 39, 39)));
        assert!(!table.set(1, lock(TWO, Kind::Exclusive, 60, u64::MAX)));
    }

    #[test]
    fn a_part_changes_its_kind() {
        let mut table = LockTable::default();
        table.set(1, lock(ONE, Kind::Exclusive, 0, 99));
        table.set(1, lock(ONE, Kind::Shared, 10, 19));
        assert!(table.set(1, lock(TWO, Kind::Shared, 10, 19)));
        assert!(!table.set(1, lock(TWO, Kind::Shared, 9, 10)));
    }

    #[test]
    fn a_client_that_is_gone_holds_nothing() {
        let mut table = LockTable::default();
        table.set(1, lock(ONE, Kind::Exclusive, 0, 0));
        table.set(2, lock(TWO, Kind::Exclusive, 0, 0));
        table.release_client(1);
        assert!(table.set(1, lock(TWO, Kind::Exclusive, 0, 0)));
        assert!(!table.set(2, lock(ONE, Kind::Exclusive, 0, 0)));
        table.release_client(2);
        assert!(table.files.is_empty());
    }
}
