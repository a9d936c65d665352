//! runc, by its own command line: what Docker, containerd and Podman start their containers with.
//!
//! Where to look next: `../oci.rs`, which drives it.

use super::Tool;

/// runc.
pub static RUNC: Tool = Tool { name: "runc", global: &[], one_kernel: true };
