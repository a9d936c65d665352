//! What lab and agent say to each other: JSON lines, versioned.
