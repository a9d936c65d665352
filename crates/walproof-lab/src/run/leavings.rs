//! What a run leaves in the world, written down before it is made, so that `clean` can remove it after a SIGKILL.
