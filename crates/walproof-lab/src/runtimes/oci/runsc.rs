//! gVisor, by `runsc`: every sandbox has a kernel of its own, in which SQLite's locks and shared memory live.
//!
//! Where to look next: `../oci.rs`, which drives it.

use super::Tool;

/// gVisor's runsc.
pub static RUNSC: Tool = Tool { name: "runsc", global: &["--network=none"], one_kernel: false };
