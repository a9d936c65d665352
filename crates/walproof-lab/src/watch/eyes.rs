//! Children that look at files, one for each file system: one that does not answer silences what lies on it, and no more.
//!
//! A child that hangs is not killed but waited for without waiting: its answer shows that the storage is back. What it
//! hangs in may be a server of files, which cannot be interrupted: this process never touches those files itself.
//!
//! What it must not do: wait for longer than [`PATIENCE`] for all of them together.
//! Where to look next: `collect/live/glance.rs`, which is what they do.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::finder::Device;
use crate::collect::live::{Glance, GlanceAt, Glanced, Line, Question, Silence};

/// How long storage may take before a look goes on without it.
const PATIENCE: Duration = Duration::from_millis(400);
/// How long a child may take to begin.
const START_MAX: Duration = Duration::from_millis(500);

/// All of them.
#[derive(Default)]
pub struct Eyes {
    by_device: BTreeMap<Device, Eye>,
}

#[derive(Default)]
struct Eye {
    line: Option<Line>,
    /// Since when an answer is awaited.
    asked: Option<Instant>,
}

/// What was seen of one file system.
#[derive(Default)]
pub struct Sight {
    /// Databases by their way; those that did not answer are missing.
    pub seen: BTreeMap<String, Glance>,
    /// Since when file systems have not answered.
    pub silent: BTreeMap<Device, Duration>,
    /// Children that could not be started.
    pub blind: usize,
}

impl Eyes {
    /// Looks at databases by the file system that they lie on.
    pub fn look(&mut self, wanted: &BTreeMap<Device, Vec<GlanceAt>>) -> Sight {
        let mut sight = Sight::default();
        let gone: Vec<Device> = self.by_device.keys().filter(|device| !wanted.contains_key(device)).copied().collect();
        gone.iter().filter_map(|device| self.by_device.remove(device)).for_each(Eye::close);
        for (device, all) in wanted {
            self.by_device.entry(*device).or_default().ask(all, &mut sight);
        }
        let end = Instant::now() + PATIENCE;
        for (device, eye) in &mut self.by_device {
            eye.hear(*device, end, &mut sight);
        }
        sight
    }
}

impl Drop for Eyes {
    fn drop(&mut self) {
        std::mem::take(&mut self.by_device).into_values().for_each(Eye::close);
    }
}

impl Eye {
    fn ask(&mut self, all: &[GlanceAt], sight: &mut Sight) {
        if self.asked.is_some() && !self.late() {
            return;
        }
        // Where one could not be started in time, the next look tries the others.
        if self.line.is_none() && sight.blind == 0 {
            self.line = Line::start(START_MAX).ok();
        }
        let asked = self.line.as_mut().map(|line| line.begin(&Question::Glance(all.to_vec())));
        match asked {
            Some(Ok(())) => self.asked = Some(Instant::now()),
            _ => {
                sight.blind += 1;
                self.give_up();
            }
        }
    }

    /// Whether what was awaited has come, too late to be of use.
    fn late(&mut self) -> bool {
        let Some(line) = &mut self.line else { return true };
        match line.answer::<Glanced>(Instant::now()) {
            Ok(_) => self.asked = None,
            Err(Silence::Hangs) => {}
            Err(Silence::Broken) => self.give_up(),
        }
        self.asked.is_none()
    }

    fn hear(&mut self, device: Device, end: Instant, sight: &mut Sight) {
        let Some((line, asked)) = self.line.as_mut().zip(self.asked) else { return };
        // One that has been silent for long is not waited for again.
        let end = end.min(asked + PATIENCE);
        match line.answer::<Glanced>(end) {
            Ok(glanced) => {
                self.asked = None;
                sight.seen.extend(glanced.into_iter().map(|one| (one.watched.path.clone(), one)));
            }
            Err(Silence::Hangs) => drop(sight.silent.insert(device, asked.elapsed())),
            Err(Silence::Broken) => {
                sight.blind += 1;
                self.give_up();
            }
        }
    }

    fn give_up(&mut self) {
        self.asked = None;
        if let Some(line) = self.line.take() {
            line.abandon();
        }
    }

    fn close(mut self) {
        self.give_up();
    }
}
