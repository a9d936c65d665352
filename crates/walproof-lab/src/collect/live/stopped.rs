//! Where the files of a container lie that does not run: its mounts, and its own layer, as its engine tells.
//!
//! An engine may be that of another machine, where the same path leads to something else: it is believed only if a file
//! that it names, with the container's whole id in its name, is here.
//!
//! What it must not do: start, mount or enter anything.

use std::path::{Path, PathBuf};

use serde_json::Value;

use super::containers;

/// Directories that hold files of a container that does not run, and files that it mounts alone. `Ok(None)`: it runs.
pub fn places_of_stopped(engine: &str, name: &str) -> Result<Option<Vec<PathBuf>>, String> {
    let told = containers::told(engine, &[name.to_owned()])?;
    let value = told.first().ok_or("it could not be read what is said of it")?;
    if value["State"]["Pid"].as_u64().unwrap_or(0) > 0 {
        return Ok(None);
    }
    let id = value["Id"].as_str().unwrap_or_default();
    if !is_of_this_machine(value, id) {
        return Err(
            "none of the files that the engine keeps of it is here: it is another machine's, or only root sees them"
                .to_owned(),
        );
    }
    Ok(Some(places(value)))
}

fn places(value: &Value) -> Vec<PathBuf> {
    let mounts = value["Mounts"].as_array().into_iter().flatten();
    let mut places: Vec<PathBuf> = mounts
        .filter_map(|mount| mount["Source"].as_str())
        .filter(|text| text.starts_with('/'))
        .map(PathBuf::from)
        .collect();
    places.extend(value["GraphDriver"]["Data"]["UpperDir"].as_str().map(PathBuf::from));
    places
}

/// A path with the whole id in it, anywhere in what is told, that is there.
fn is_of_this_machine(value: &Value, id: &str) -> bool {
    match value {
        Value::String(text) => id.len() == 64 && text.starts_with('/') && text.contains(id) && Path::new(text).exists(),
        Value::Array(all) => all.iter().any(|one| is_of_this_machine(one, id)),
        Value::Object(all) => all.values().any(|one| is_of_this_machine(one, id)),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn mounts_and_the_own_layer_are_places() {
        let value = json!({"Mounts": [{"Type": "volume", "Source": "/var/lib/v/_data"}, {"Type": "tmpfs", "Source": ""}],
                           "GraphDriver": {"Data": {"UpperDir": "/var/lib/o/diff"}}});
        assert_eq!(places(&value), ["/var/lib/v/_data", "/var/lib/o/diff"].map(PathBuf::from));
        assert!(places(&Value::Null).is_empty());
    }

    #[test]
    fn an_engine_of_another_machine_is_not_believed() {
        let id = "3f4b7d2c9a1e5f60718293a4b5c6d7e8f9012345678abcdef0123456789abcde";
        let folder = std::env::temp_dir().join(id);
        let value = json!({"Id": id, "HostnamePath": folder});
        assert!(!is_of_this_machine(&value, id));
        std::fs::create_dir_all(&folder).expect("a folder");
        assert!(is_of_this_machine(&value, id) && !is_of_this_machine(&value, ""));
        std::fs::remove_dir(folder).expect("our own");
    }
}
