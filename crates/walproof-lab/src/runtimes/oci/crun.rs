//! crun, by its own command line. Debian's 1.8.1 refuses a hybrid cgroup hierarchy; that is detected and said.
//!
//! Where to look next: `../oci.rs`, which drives it.

use super::Tool;

/// crun.
pub static CRUN: Tool = Tool { name: "crun", global: &[], one_kernel: true };
