//! What a run hands to other programs: one JSON document, versioned.
