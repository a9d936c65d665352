//! SQLite's result codes and extended result codes, by name.
