//! Paths of the machine that runs Compose, by arithmetic alone.
//!
//! What it must not do: look whether a path exists or is a link. `a/../b` is `b` here, as it is to Compose.
//!
//! Where to look next: [`super::model::Compose::resolve`], which knows the directory that a path starts from.

/// The directory of a file's path: `.` for a bare name.
pub fn directory_of(path: &str) -> String {
    match path.rfind('/') {
        Some(0) => "/".to_owned(),
        Some(at) => normal(&path[..at]),
        None => ".".to_owned(),
    }
}

/// A path against the directory it starts from, without `.`, `..` and double slashes as far as they can be removed.
///
/// `~` and `~/...` are put under `home` if there is one. Absolute paths, paths with a Windows drive, named pipes and
/// addresses (`https://...`) start nowhere but at themselves.
pub fn resolve(directory: &str, path: &str, home: Option<&str>) -> String {
    if let (Some(rest), Some(home)) = (path.strip_prefix('~'), home)
        && (rest.is_empty() || rest.starts_with('/'))
    {
        return normal(&format!("{home}{rest}"));
    }
    if path.starts_with('/') {
        return normal(path);
    }
    if path.starts_with('~') || is_of_windows(path) || is_address(path) {
        return path.to_owned();
    }
    normal(&format!("{directory}/{path}"))
}

/// `C:\...`, `C:/...` or `\\server\share`.
pub(in crate::manifest) fn is_of_windows(path: &str) -> bool {
    let mut letters = path.chars();
    let drive = letters.next().is_some_and(|c| c.is_ascii_alphabetic()) && letters.next() == Some(':');
    drive || path.starts_with("\\\\")
}

/// A place that is no file of this machine.
pub(super) fn is_address(path: &str) -> bool {
    path.contains("://") || path.starts_with("git@")
}

/// Without `.`, without `..` after a name, without double slashes, without a slash at the end.
pub fn normal(path: &str) -> String {
    let absolute = path.starts_with('/');
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." if parts.last().is_some_and(|last| *last != "..") => {
                parts.pop();
            }
            ".." if absolute => {}
            part => parts.push(part),
        }
    }
    match (absolute, parts.is_empty()) {
        (true, _) => format!("/{}", parts.join("/")),
        (false, true) => ".".to_owned(),
        (false, false) => parts.join("/"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn resolves(directory: &str, path: &str, expected: &str) {
        assert_eq!(resolve(directory, path, Some("/home/me")), expected);
    }

    #[test]
    fn relative_paths_start_at_the_directory() {
        resolves("/srv/app", "./data", "/srv/app/data");
        resolves("/srv/app", "../data/", "/srv/data");
        resolves("/srv/app", "..//.././../x", "/x");
        resolves(".", "./data", "data");
        resolves(".", "../data", "../data");
        resolves("a", "../../b", "../b");
        resolves(".", ".", ".");
    }

    #[test]
    fn other_paths_do_not() {
        resolves("/srv", "/abs//x/.", "/abs/x");
        resolves("/srv", "~/x", "/home/me/x");
        resolves("/srv", "~", "/home/me");
        resolves("/srv", "~other/x", "~other/x");
        resolves("/srv", "C:\\x", "C:\\x");
        resolves("/srv", "\\\\server\\x", "\\\\server\\x");
        resolves("/srv", "https://example.org/x.yaml", "https://example.org/x.yaml");
        assert_eq!(resolve("/srv", "~/x", None), "~/x");
    }

    #[test]
    fn the_directory_of_a_file() {
        assert_eq!(
            ["a.yaml", "x/a.yaml", "/a.yaml", "/x//y/a.yaml", "./a.yaml"].map(directory_of),
            [".", "x", "/", "/x/y", "."]
        );
    }
}
