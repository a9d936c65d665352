//! `selinux-private-label`: `:Z` becomes `:z`, so that SELinux lets every container that mounts it in.
//!
//! What it must not do: take the label away: without one SELinux may refuse everybody.
//!
//! Where to look next: `crate::manifest::compose::mounts` for the forms of a mount.

use super::question::{Question, Written};
use super::{Change, Edit, Fix};

pub(super) static CHANGE: Change =
    Change { rule: "selinux-private-label", line: "labels a mount as shared between containers (`:z`)", make };

fn make(question: &Question<'_>) -> Result<Fix, String> {
    let (id, mount) = question.mount()?;
    let label = mount.selinux.as_ref().map(|label| label.span);
    let spans = [label, mount.span].into_iter().flatten();
    let edit = spans.into_iter().find_map(|span| question.own(span).ok().and_then(|written| small(&written)));
    let Some(edit) = edit else {
        question.own(Question::place(mount.span)?)?;
        return Err("the label is not found where the mount is written".to_owned());
    };
    let title = format!("the label of `{}` is shared between containers", mount.target);
    Ok(Fix { also: question.also(id), ..question.fix(title, vec![edit]) })
}

/// `Z` as the whole text, or among the options after the last colon.
fn small(written: &Written<'_>) -> Option<Edit> {
    let bare = written.text.trim_end_matches(['"', '\'', '\r', '\n', ' ']);
    let options = bare.rfind(':').map_or(0, |colon| colon + 1);
    let mut at = options;
    for option in bare[options..].split(',') {
        if option.trim_matches(['"', '\'']) == "Z" {
            let start = written.start + at + option.find('Z')?;
            return Some(Edit { file: written.file.to_owned(), start, end: start + 1, text: "z".to_owned() });
        }
        at += option.len() + 1;
    }
    None
}
