//! From the text of several files to one tree: variables, `extends`, `include`, merging.
//!
//! The order is Compose's own. Each document of each file for itself: variables are put in, `extends` is followed,
//! `include` is followed; then it is merged over what the files before it gave. Paths of other files start at the
//! directory that the naming file's paths start from: for the files given first that of the first one, for an
//! included file its own (or `project_directory`), for one named by `extends` its own.
//!
//! What it must not do: open anything. Other files come from the caller's function, which gets their path joined to
//! that directory.
//!
//! Bounds: [`CHAIN_MAX`] files or services that lead to one another, [`FILES_MAX`] files, [`DOCUMENTS_MAX`] documents
//! in a file, and one [`Budget`] for everything, copies of extended services included.
//!
//! Where to look next: `merge` for the rules, `read` for what becomes of the tree, `lookalikes` for files of other
//! kinds.

use std::collections::HashMap;
use std::rc::Rc;

use super::keys;
use super::lookalikes;
use super::merge;
use super::paths;
use super::variables::{EXPANDED_BYTES_MAX, Note, expand};
use crate::manifest::error::{ManifestError, ManifestErrorKind};
use crate::manifest::span::{Source, SourceFile, Span, Spanned, Warning, WarningKind};
use crate::manifest::yaml::{self, Broken, Budget, Entry, Node, Tag, Value, find};

/// Services or files that lead to one another.
const CHAIN_MAX: usize = 32;
/// Files of one project.
const FILES_MAX: usize = 500;
/// Documents of one file.
const DOCUMENTS_MAX: usize = 100;
/// The only keys at the top that are read on.
const KEPT_KEYS: &[&str] = &["include", "name", "services", "volumes"];

/// Another file, as the caller's function gives it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Loaded {
    /// The path as shown to people, and as further paths are joined to; of the same file always the same.
    pub name: String,
    /// The whole text.
    pub text: String,
}

/// The caller's function for other files: gets a path, gives the file or the reason why not.
pub(super) type Load<'a> = &'a mut dyn FnMut(&str) -> Result<Loaded, String>;

/// The work on one project.
pub(super) struct Files<'a> {
    variables: &'a dyn Fn(&str) -> Option<String>,
    load: Load<'a>,
    /// What was read so far.
    pub files: Vec<SourceFile>,
    /// What was noticed so far.
    pub warnings: Vec<Warning>,
    budget: Budget,
    project_name: Option<String>,
    /// Files that `extends` names, by path.
    bases: HashMap<String, Rc<Services>>,
    /// How many groups of services there are, for their numbers.
    group_count: usize,
}

/// The services of one document or of one file that `extends` names, before `extends` is followed.
struct Services {
    /// Two groups have different numbers, even if they come from one file.
    number: usize,
    index: HashMap<String, Node>,
}

/// A service on the way of `extends`.
type Link = (usize, String);

impl<'a> Files<'a> {
    pub fn new(variables: &'a dyn Fn(&str) -> Option<String>, load: Load<'a>) -> Self {
        Self {
            variables,
            load,
            files: Vec::new(),
            warnings: Vec::new(),
            budget: Budget::new(),
            project_name: None,
            bases: HashMap::new(),
            group_count: 0,
        }
    }

    /// The given files as one tree, its top-level keys.
    pub fn assemble(&mut self, sources: &[Source<'_>]) -> Result<Vec<Entry>, ManifestError> {
        let directory = sources.first().map_or(".".to_owned(), |source| paths::directory_of(source.name));
        let project = self.stack(sources, &directory, &mut Vec::new())?;
        match find(&project, "services") {
            Some(services) if matches!(services.value, Value::Mapping(_)) || services.is_null() => Ok(project),
            _ => {
                let name = sources.first().map_or("", |source| source.name);
                let keys: Vec<&str> = project.iter().map(|entry| entry.key.value.as_str()).collect();
                Err(lookalikes::no_services(name, &keys))
            }
        }
    }

    /// Files over one another. `chain` holds the names of the files that included these.
    fn stack(
        &mut self,
        sources: &[Source<'_>],
        directory: &str,
        chain: &mut Vec<String>,
    ) -> Result<Vec<Entry>, ManifestError> {
        let mut project = Vec::new();
        for source in sources {
            chain.push(source.name.to_owned());
            for document in self.documents(*source, directory)? {
                let document = self.complete(document, chain)?;
                merge::over_files(&mut project, document);
            }
            chain.pop();
        }
        Ok(project)
    }

    /// The documents of a file, variables put in, each service in the form that merging expects.
    fn documents(&mut self, source: Source<'_>, directory: &str) -> Result<Vec<Vec<Entry>>, ManifestError> {
        let number = self.files.len();
        if number >= FILES_MAX {
            let because = format!("the project has more than {FILES_MAX} files");
            return Err(too_much(source.name, None, because));
        }
        self.files.push(SourceFile { name: source.name.to_owned(), directory: directory.to_owned() });
        let nodes = yaml::documents(number, source.text, &mut self.budget, &mut self.warnings)
            .map_err(|broken| not_yaml(source.name, broken))?;
        if nodes.is_empty() {
            return Err(empty(source.name));
        }
        if nodes.len() > DOCUMENTS_MAX {
            let because = format!("it has more than {DOCUMENTS_MAX} documents");
            return Err(too_much(source.name, nodes.get(DOCUMENTS_MAX).map(|node| node.span), because));
        }
        nodes.into_iter().map(|node| self.document(source, node)).collect()
    }

    fn document(&mut self, source: Source<'_>, node: Node) -> Result<Vec<Entry>, ManifestError> {
        lookalikes::check(source.name, &node)?;
        let Value::Mapping(mut entries) = node.value else { return Ok(Vec::new()) };
        for entry in &entries {
            if !keys::is_known(keys::TOP, &entry.key.value) {
                self.warnings.push(keys::unknown(&entry.key, "at the top"));
            }
        }
        entries.retain(|entry| KEPT_KEYS.contains(&entry.key.value.as_str()));
        // The name may stand in other values, whatever the order.
        entries.sort_by_key(|entry| entry.key.value != "name");
        for entry in &mut entries {
            self.expand(&mut entry.value)?;
            if entry.key.value == "name" {
                self.project_name = entry.value.as_text().map(str::to_owned).or(self.project_name.take());
            }
            if let ("services", Value::Mapping(services)) = (entry.key.value.as_str(), &mut entry.value.value) {
                services.iter_mut().for_each(|service| merge::settle(&mut service.value, &mut self.warnings));
            }
        }
        Ok(entries)
    }

    /// Follows `extends` and `include` of one document.
    fn complete(&mut self, mut document: Vec<Entry>, chain: &mut Vec<String>) -> Result<Vec<Entry>, ManifestError> {
        if let Some(services) = document.iter_mut().find(|entry| entry.key.value == "services") {
            self.extend_all(&mut services.value)?;
        }
        let at = document.iter().position(|entry| entry.key.value == "include");
        if let Some(include) = at.map(|at| document.remove(at)) {
            for item in listed(include.value) {
                let included = self.include(&item, chain)?;
                self.import(&mut document, included);
            }
        }
        Ok(document)
    }

    // ---- variables ----

    fn expand(&mut self, node: &mut Node) -> Result<(), ManifestError> {
        let span = node.span;
        match &mut node.value {
            Value::Scalar(scalar) if scalar.text.contains('$') => {
                let project_name = self.project_name.as_deref();
                let variables = self.variables;
                let lookup = |name: &str| {
                    let own = || project_name.filter(|_| name == "COMPOSE_PROJECT_NAME").map(str::to_owned);
                    variables(name).or_else(own)
                };
                let expanded = expand(&scalar.text, &lookup);
                let grown = expanded.text.len().saturating_sub(scalar.text.len());
                if expanded.too_long || !self.budget.spend(grown) {
                    let because = format!("with its variables put in it has more than {EXPANDED_BYTES_MAX} bytes");
                    return Err(too_much(&self.files[span.source].name, Some(span), because));
                }
                scalar.text = expanded.text;
                scalar.plain = false;
                scalar.unset = expanded.notes.iter().any(|note| !matches!(note, Note::Broken(_)));
                self.warnings.extend(expanded.notes.into_iter().map(|note| warning_of(note, span)));
                Ok(())
            }
            Value::Scalar(_) => Ok(()),
            Value::Sequence(nodes) => nodes.iter_mut().try_for_each(|node| self.expand(node)),
            Value::Mapping(entries) => entries.iter_mut().try_for_each(|entry| self.expand(&mut entry.value)),
        }
    }

    // ---- extends ----

    fn extend_all(&mut self, services: &mut Node) -> Result<(), ManifestError> {
        let Value::Mapping(entries) = &mut services.value else { return Ok(()) };
        if !entries.iter().any(|entry| entry.value.get("extends").is_some()) {
            return Ok(());
        }
        let group = Rc::new(self.group(entries)?);
        for entry in entries {
            if entry.value.get("extends").is_some() {
                let mut chain = vec![(group.number, entry.key.value.clone())];
                let service = std::mem::replace(&mut entry.value, Node::null(entry.key.span));
                entry.value = self.extended(service, &group, &mut chain)?;
            }
        }
        Ok(())
    }

    fn group(&mut self, entries: &[Entry]) -> Result<Services, ManifestError> {
        let mut index = HashMap::with_capacity(entries.len());
        for entry in entries {
            self.spend(&entry.value)?;
            index.insert(entry.key.value.clone(), entry.value.clone());
        }
        self.group_count += 1;
        Ok(Services { number: self.group_count, index })
    }

    /// The service over what it extends.
    fn extended(
        &mut self,
        mut service: Node,
        group: &Rc<Services>,
        chain: &mut Vec<Link>,
    ) -> Result<Node, ManifestError> {
        let Value::Mapping(entries) = &mut service.value else { return Ok(service) };
        let Some(at) = entries.iter().position(|entry| entry.key.value == "extends") else { return Ok(service) };
        let extends = entries.remove(at).value;
        if extends.is_null() || extends.tag == Tag::Reset {
            return Ok(service);
        }
        let Some((base, file)) = extends_of(&extends) else {
            let message =
                format!("`extends` takes a service's name or a mapping with `service`, not {}", extends.noun());
            self.warnings.push(Warning::new(WarningKind::WrongValue, extends.span, message));
            return Ok(service);
        };
        let group = match file {
            Some(file) => self.base_file(&file)?,
            None => Rc::clone(group),
        };
        let Some(found) = group.index.get(&base.value) else {
            return Err(self.no_such_service(&base));
        };
        let link = (group.number, base.value.clone());
        if chain.contains(&link) {
            return Err(self.cycle(base.span, format!("`{}` extends itself, over others or directly", base.value)));
        }
        if chain.len() >= CHAIN_MAX {
            return Err(too_much(
                &self.files[base.span.source].name,
                Some(base.span),
                format!("more than {CHAIN_MAX} services extend one another"),
            ));
        }
        self.spend(found)?;
        chain.push(link);
        let mut merged = self.extended(found.clone(), &group, chain)?;
        chain.pop();
        merge::over_service(&mut merged, service);
        Ok(merged)
    }

    /// The services of a file that `extends` names; its documents are merged, its own `include` is not followed.
    fn base_file(&mut self, file: &Spanned<String>) -> Result<Rc<Services>, ManifestError> {
        let path = self.resolve(file);
        if let Some(known) = self.bases.get(&path) {
            return Ok(Rc::clone(known));
        }
        let loaded = self.fetch(file, "extends")?;
        let directory = paths::directory_of(&loaded.name);
        let source = Source { name: &loaded.name, text: &loaded.text };
        let mut merged = Vec::new();
        for document in self.documents(source, &directory)? {
            merge::over_files(&mut merged, document);
        }
        let services = Rc::new(self.group(find(&merged, "services").map_or(&[], Node::entries))?);
        self.bases.insert(path, Rc::clone(&services));
        Ok(services)
    }

    // ---- include ----

    /// One item of `include`: a path, or a mapping with one or several paths.
    fn include(&mut self, item: &Node, chain: &mut Vec<String>) -> Result<Vec<Entry>, ManifestError> {
        let named = item.get("path").unwrap_or(item).clone();
        let files: Vec<Spanned<String>> = listed(named).iter().filter_map(spanned_text).collect();
        let Some(first) = files.first() else {
            let message = "an item of `include` takes a path or a mapping with `path`";
            self.warnings.push(Warning::new(WarningKind::WrongValue, item.span, message));
            return Ok(Vec::new());
        };
        if let Some(env_file) = item.get("env_file") {
            let message = "variables from the `env_file` of an `include` are not read";
            self.warnings.push(Warning::new(WarningKind::NotFollowed, env_file.span, message));
        }
        if chain.len() >= CHAIN_MAX {
            let because = format!("more than {CHAIN_MAX} files include one another");
            return Err(too_much(&self.files[first.span.source].name, Some(first.span), because));
        }
        let mut loaded = Vec::with_capacity(files.len());
        for file in &files {
            let found = self.fetch(file, "include")?;
            if chain.contains(&found.name) {
                return Err(self.cycle(file.span, format!("`{}` includes itself, over others or directly", found.name)));
            }
            loaded.push(found);
        }
        let directory = match item.get("project_directory").and_then(spanned_text) {
            Some(directory) => self.resolve(&directory),
            None => paths::directory_of(&loaded[0].name),
        };
        let sources: Vec<Source<'_>> =
            loaded.iter().map(|loaded| Source { name: &loaded.name, text: &loaded.text }).collect();
        self.stack(&sources, &directory, chain)
    }

    /// What was included comes after what stands in the file itself, which wins.
    fn import(&mut self, document: &mut Vec<Entry>, included: Vec<Entry>) {
        for Entry { key, value } in included.into_iter().filter(|entry| entry.key.value != "name") {
            let Some(own) = document.iter_mut().find(|entry| entry.key.value == key.value) else {
                document.push(Entry { key, value });
                continue;
            };
            if own.value.is_null() {
                own.value = value;
            } else if let (Value::Mapping(own), Value::Mapping(more)) = (&mut own.value.value, value.value) {
                import_entries(own, more, &mut self.warnings);
            }
        }
    }

    // ---- other files ----

    fn resolve(&self, path: &Spanned<String>) -> String {
        paths::resolve(&self.files[path.span.source].directory, &path.value, None)
    }

    fn fetch(&mut self, file: &Spanned<String>, key: &str) -> Result<Loaded, ManifestError> {
        let path = self.resolve(file);
        (self.load)(&path).map_err(|because| ManifestError {
            kind: ManifestErrorKind::NotLoaded,
            file: self.files[file.span.source].name.clone(),
            place: Some(file.span.start),
            what: format!("`{key}` names `{}`, which cannot be read", file.value),
            because,
            try_this: format!("make `{path}` available, or check a project without this `{key}`"),
        })
    }

    // ---- errors ----

    fn spend(&mut self, node: &Node) -> Result<(), ManifestError> {
        if self.budget.spend(node.weight()) {
            return Ok(());
        }
        let because = "its services extend one another to more than any real project has".to_owned();
        Err(too_much(&self.files[node.span.source].name, Some(node.span), because))
    }

    fn cycle(&self, span: Span, because: String) -> ManifestError {
        ManifestError {
            kind: ManifestErrorKind::Cycle,
            file: self.files[span.source].name.clone(),
            place: Some(span.start),
            what: "leads back to itself".to_owned(),
            because,
            try_this: "remove one step of the circle".to_owned(),
        }
    }

    fn no_such_service(&self, base: &Spanned<String>) -> ManifestError {
        ManifestError {
            kind: ManifestErrorKind::NotFound,
            file: self.files[base.span.source].name.clone(),
            place: Some(base.span.start),
            what: format!("extends the service `{}`", base.value),
            because: "the file that it should be in has no service of this name".to_owned(),
            try_this: "name a service of that file, or the file with `extends: {file: ..., service: ...}`".to_owned(),
        }
    }
}

fn import_entries(own: &mut Vec<Entry>, more: Vec<Entry>, warnings: &mut Vec<Warning>) {
    let index: HashMap<String, usize> =
        own.iter().enumerate().map(|(at, entry)| (entry.key.value.clone(), at)).collect();
    for entry in more {
        let Some(&at) = index.get(&entry.key.value) else {
            own.push(entry);
            continue;
        };
        if !own[at].value.says_the_same(&entry.value) {
            let key = &entry.key.value;
            let message = format!("`{key}` is in an included file too, and not the same: Compose refuses this");
            warnings.push(Warning::new(WarningKind::Duplicate, own[at].key.span, message));
        }
    }
}

/// The items of a list; a single value is a list of one.
fn listed(node: Node) -> Vec<Node> {
    match node.value {
        Value::Sequence(nodes) => nodes,
        _ if node.is_null() => Vec::new(),
        _ => vec![node],
    }
}

fn spanned_text(node: &Node) -> Option<Spanned<String>> {
    node.as_text().map(|text| Spanned::new(text.to_owned(), node.span))
}

/// The service that is extended, and its file if it is another one.
fn extends_of(node: &Node) -> Option<(Spanned<String>, Option<Spanned<String>>)> {
    match spanned_text(node) {
        Some(service) => Some((service, None)),
        None => Some((spanned_text(node.get("service")?)?, node.get("file").and_then(spanned_text))),
    }
}

fn warning_of(note: Note, span: Span) -> Warning {
    match note {
        Note::Unset(name) => {
            let message = format!("the variable `{name}` has no value and no default: nothing stands in its place");
            Warning::new(WarningKind::UnsetVariable, span, message)
        }
        Note::Required(name, text) => {
            let said = if text.is_empty() { String::new() } else { format!(" (`{text}`)") };
            let message = format!("the variable `{name}` must have a value{said}: Compose refuses without");
            Warning::new(WarningKind::RequiredVariable, span, message)
        }
        Note::Broken(text) => {
            let message = format!("`{text}` begins no variable; write `$$` for a plain `$`");
            Warning::new(WarningKind::BrokenVariable, span, message)
        }
    }
}

fn not_yaml(file: &str, broken: Broken) -> ManifestError {
    let (what, try_this) = match broken.kind {
        ManifestErrorKind::TooMuch => ("is too large", "check a smaller file; no Compose file is as large as this"),
        ManifestErrorKind::Cycle => ("has an alias that cannot be followed", "name an anchor that stands before it"),
        _ if broken.is_template() => ("is not YAML", yaml::RENDER_IT),
        _ => ("is not YAML", "correct it at this place; `docker compose config` names the same one"),
    };
    ManifestError {
        kind: broken.kind,
        file: file.to_owned(),
        place: Some(broken.place),
        what: what.to_owned(),
        because: broken.because,
        try_this: try_this.to_owned(),
    }
}

fn empty(file: &str) -> ManifestError {
    ManifestError {
        kind: ManifestErrorKind::Empty,
        file: file.to_owned(),
        place: None,
        what: "is empty".to_owned(),
        because: "nothing stands in it but blanks and comments".to_owned(),
        try_this: "name a Compose file with `services:`".to_owned(),
    }
}

fn too_much(file: &str, span: Option<Span>, because: String) -> ManifestError {
    ManifestError {
        kind: ManifestErrorKind::TooMuch,
        file: file.to_owned(),
        place: span.map(|span| span.start),
        what: "is too large".to_owned(),
        because,
        try_this: "check a part of the project; no real project is as large as this".to_owned(),
    }
}
