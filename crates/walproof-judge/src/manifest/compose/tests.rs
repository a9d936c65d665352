//! Whole files through [`parse`]: what is read, where it stands, what is merged, what is refused.
//!
//! Where to look next: the tests in each file of this room for its own part.

use super::*;
use crate::manifest::mutation::{self, Numbers};
use crate::manifest::{Span, WarningKind};

/// Text of files by path.
type Shelf<'a> = &'a [(&'a str, &'a str)];

fn variable(name: &str) -> Option<String> {
    [("DATA", "/srv/data"), ("TAG", "1.2"), ("EMPTY", "")].into_iter().find(|(n, _)| *n == name).map(|(_, v)| v.into())
}

/// The first `given` files of the shelf are given, the others can be loaded.
fn parse_shelf(shelf: Shelf<'_>, given: usize) -> Result<Compose, ManifestError> {
    let sources: Vec<Source<'_>> = shelf[..given].iter().map(|(name, text)| Source { name, text }).collect();
    let mut load = |path: &str| {
        let found = shelf.iter().find(|(name, _)| *name == path).ok_or_else(|| format!("no `{path}`"))?;
        Ok(Loaded { name: found.0.to_owned(), text: found.1.to_owned() })
    };
    parse(&sources, &variable, &mut load, &Profiles::none())
}

#[track_caller]
fn reads(text: &str) -> Compose {
    parse_shelf(&[("compose.yaml", text)], 1).unwrap_or_else(|error| panic!("{error}"))
}

/// One service `a` with these lines in it.
#[track_caller]
fn reads_service(lines: &str) -> (Service, Vec<String>) {
    let indented: String = lines.lines().map(|line| format!("    {line}\n")).collect();
    let compose = reads(&format!("services:\n  a:\n{indented}"));
    let messages = compose.warnings.iter().map(|warning| warning.message.clone()).collect();
    (compose.services.into_iter().next().expect("one service"), messages)
}

#[track_caller]
fn refuses(text: &str, kind: ManifestErrorKind, because: &str) {
    refuses_shelf(&[("compose.yaml", text)], 1, kind, because);
}

#[track_caller]
fn refuses_shelf(shelf: Shelf<'_>, given: usize, kind: ManifestErrorKind, because: &str) {
    let error = parse_shelf(shelf, given).expect_err("must be refused");
    assert!(error.kind == kind && error.because.contains(because), "{:?} {error}", error.kind);
}

#[track_caller]
fn warns(text: &str, kind: WarningKind, message: &str) {
    let warnings = reads(text).warnings;
    assert!(warnings.iter().any(|w| w.kind == kind && w.message.contains(message)), "{warnings:?}");
}

/// `line:column-line:column`.
fn shown(span: Span) -> String {
    span.shown()
}

/// A mount in one line.
fn told(mount: &Mount) -> String {
    let source = match &mount.kind {
        MountKind::Bind { source } => format!("bind {}", source.value),
        MountKind::Named { volume } => format!("volume {}", volume.value),
        MountKind::Anonymous => "anonymous".to_owned(),
        MountKind::Tmpfs { size_bytes, mode } => {
            format!("tmpfs {:?} {:?}", size_bytes.as_ref().map(|s| s.value), mode.as_ref().map(|m| m.value))
        }
        MountKind::Other { kind, source } => {
            format!("other {} {}", kind.value, source.as_ref().map_or("", |source| &source.value))
        }
        MountKind::Unknown => "unknown".to_owned(),
    };
    format!("{source} at {}{}", mount.target.value, if mount.read_only { " ro" } else { "" })
}

#[track_caller]
fn mounts(item: &str, expected: &str) -> Mount {
    let (service, messages) = reads_service(&format!("volumes:\n  - {item}"));
    let told: Vec<String> = service.mounts.iter().map(told).collect();
    assert_eq!(told, [expected], "{item}: {messages:?}");
    service.mounts.into_iter().next().expect("one mount")
}

fn texts(values: &[Spanned<String>]) -> Vec<&str> {
    values.iter().map(|value| value.value.as_str()).collect()
}

fn pairs(pairs: &[Pair]) -> Vec<(&str, Option<&str>)> {
    pairs.iter().map(|pair| (pair.name.value.as_str(), pair.value.as_ref().map(|value| value.value.as_str()))).collect()
}

fn text(value: &Option<Spanned<String>>) -> &str {
    value.as_ref().map_or("", |value| &value.value)
}

const TYPICAL: &str = "\
name: shop
services:
  app:
    image: \"shop:${TAG}\"
    command: [\"serve\", --db, /data/shop.db]
    user: 1000:1000
    volumes:
      - ./data:/data
      - type: bind
        source: ${DATA}
        target: /srv/
        read_only: true
    deploy: {replicas: 2, update_config: {order: start-first}}
    depends_on:
      db:
        condition: service_healthy
  db:
    build: .
volumes:
  data:
    driver: local
    driver_opts:
      type: nfs
      o: addr=10.0.0.1,nolock
      device: \":/export\"
";

// ---- places ----

#[test]
fn every_value_knows_its_place() {
    let compose = reads(TYPICAL);
    let app = &compose.services[0];
    assert_eq!(shown(compose.name.expect("a name").span), "1:7-1:11");
    assert_eq!(shown(app.name.span), "3:3-3:6");
    assert_eq!(shown(app.span), "3:3-16:35");
    assert_eq!(shown(app.image.as_ref().expect("an image").span), "4:12-4:25");
    assert_eq!(shown(app.command.as_ref().expect("a command").words[2].span), "5:30-5:43");
    assert_eq!(shown(app.mounts[0].span), "8:9-8:21");
    assert_eq!(shown(app.mounts[1].span), "9:9-12:24");
    assert_eq!(shown(app.mounts[1].target.span), "11:17-11:22");
    assert_eq!(shown(app.deploy.as_ref().expect("deploy").replicas.as_ref().expect("replicas").span), "13:24-13:25");
    assert_eq!(shown(app.depends_on[0].span), "15:7-15:9");
    assert_eq!(shown(compose.volumes[0].span), "20:3-25:25");
    assert_eq!(shown(compose.volumes[0].driver_opts[1].name.span), "24:7-24:8");
}

#[test]
fn columns_count_characters_and_lines_end_as_on_windows() {
    let compose = reads("services:\r\n  a:\r\n    labels: {ü: é, b: c}\r\n    image: x\r\n");
    let service = &compose.services[0];
    assert_eq!(shown(service.labels[1].name.span), "3:20-3:21");
    assert_eq!(shown(service.image.as_ref().expect("an image").span), "4:12-4:13");
}

#[test]
fn block_scalars_and_nothing_have_places_too() {
    let compose = reads(
        "services:\n  a:\n    command: |\n      run\n      it\n    image:\n    user: me # no\n\n\n  b: {image: y}\n",
    );
    assert_eq!(shown(compose.services[0].span), "2:3-7:13");
    assert_eq!(texts(&compose.services[0].command.as_ref().expect("a command").words), ["run", "it"]);
    assert_eq!(compose.services[0].image, None);
}

// ---- what is read ----

#[test]
fn a_typical_file_reads_without_a_warning() {
    let compose = reads(TYPICAL);
    assert_eq!(compose.warnings, []);
    let app = &compose.services[0];
    assert_eq!((text(&app.image), text(&app.user)), ("shop:1.2", "1000:1000"));
    assert_eq!(app.mounts.iter().map(told).collect::<Vec<_>>(), ["bind ./data at /data", "bind /srv/data at /srv ro"]);
    assert_eq!(text(&app.deploy.as_ref().expect("deploy").update_order), "start-first");
    assert_eq!(pairs(&compose.volumes[0].driver_opts)[2], ("device", Some(":/export")));
    assert!(compose.services[1].build.is_some() && compose.volume("data").is_some());
}

#[test]
fn short_mounts_are_told_apart() {
    mounts("./a:/b", "bind ./a at /b");
    mounts("~/a:/b:ro", "bind ~/a at /b ro");
    mounts("../a:/b/:rw", "bind ../a at /b");
    mounts("data:/b//c/../d", "volume data at /b/d");
    mounts("/b", "anonymous at /b");
    mounts("'C:\\a:/b'", "bind C:\\a at /b");
    mounts("\\\\.\\pipe\\x:/b", "bind \\\\.\\pipe\\x at /b");
    mounts("${DATA}:/b", "bind /srv/data at /b");
    mounts("${NO:-data}:/b", "volume data at /b");
    mounts("${NO}:/b", "unknown at /b");
    mounts("${NO:?}:/b:ro", "unknown at /b ro");
}

#[test]
fn options_of_short_mounts_are_kept() {
    let options = mounts("./a:/b:ro,Z,rslave,cached,U", "bind ./a at /b ro").options;
    assert_eq!(options.selinux.map(|selinux| selinux.value), Some(Selinux::Private));
    assert_eq!((text(&options.propagation), text(&options.consistency)), ("rslave", "cached"));
    assert_eq!(texts(&options.others), ["U"]);
    assert_eq!(options.create_host_path.map(|make| make.value), Some(true));
    assert!(mounts("a1:/b:nocopy,z", "volume a1 at /b").options.nocopy.is_some());
}

#[test]
fn long_mounts_are_read() {
    let bind = mounts(
        "{type: bind, source: ./a, target: /b, bind: {propagation: shared, create_host_path: false, selinux: z}}",
        "bind ./a at /b",
    );
    assert_eq!(bind.options.create_host_path.map(|make| make.value), Some(false));
    assert_eq!(bind.options.selinux.map(|selinux| selinux.value), Some(Selinux::Shared));
    let volume = mounts(
        "{type: volume, source: d, target: /b, read_only: true, volume: {nocopy: true, subpath: x}}",
        "volume d at /b ro",
    );
    assert_eq!(text(&volume.options.subpath), "x");
    mounts("{type: volume, target: /b}", "anonymous at /b");
    mounts("{type: tmpfs, target: /b, tmpfs: {size: 64m, mode: 01777}}", "tmpfs Some(67108864) Some(1023) at /b");
    mounts("{type: npipe, source: x, target: /b}", "other npipe x at /b");
    mounts("{type: bind, source: $NO, target: /b}", "unknown at /b");
}

#[test]
fn what_is_no_mount_is_left_out_with_a_warning() {
    for item in ["ab:/b:ro:rw", "''", "[x]", "{type: bind, source: x}", "'ab:'"] {
        let (service, messages) = reads_service(&format!("volumes:\n  - \"/keep\"\n  - {item}"));
        assert_eq!((service.mounts.len(), messages.len()), (1, 1), "{item}: {messages:?}");
    }
}

#[test]
fn environments_have_two_forms() {
    let (service, _) = reads_service("environment:\n  - A=1\n  - B\n  - C=x=y\n  - D=");
    assert_eq!(pairs(&service.environment), [("A", Some("1")), ("B", None), ("C", Some("x=y")), ("D", Some(""))]);
    let (service, _) = reads_service("environment:\n  A: 1\n  B:\n  C: true\n  D: ''");
    assert_eq!(pairs(&service.environment), [("A", Some("1")), ("B", None), ("C", Some("true")), ("D", Some(""))]);
}

#[test]
fn commands_have_two_forms() {
    let (service, _) = reads_service("command: sh -c 'a b'\nentrypoint: []");
    assert_eq!(texts(&service.command.expect("a command").words), ["sh", "-c", "a b"]);
    assert_eq!(service.entrypoint.expect("an entry point").words, []);
}

#[test]
fn confinement_is_read() {
    let lines = "user: 0\ngroup_add: [1, wheel]\nread_only: yes\nprivileged: true\ninit: 'true'\ncap_add: [ALL]\n\
        cap_drop: [CHOWN]\nsecurity_opt: ['seccomp:unconfined']\nuserns_mode: host\npid: host\nipc: shareable\n\
        runtime: runsc\nnetwork_mode: none\nworking_dir: /w\npids_limit: 100\nmem_limit: 512m";
    let (service, messages) = reads_service(lines);
    assert_eq!(messages, [""; 0]);
    assert_eq!((text(&service.user), text(&service.runtime), text(&service.pid)), ("0", "runsc", "host"));
    assert!(
        [&service.read_only, &service.privileged, &service.init]
            .iter()
            .all(|flag| flag.as_ref().is_some_and(|f| f.value))
    );
    assert_eq!(
        (texts(&service.group_add), texts(&service.security_opt)),
        (vec!["1", "wheel"], vec!["seccomp:unconfined"])
    );
    assert_eq!(service.memory_limit_bytes.map(|limit| limit.value), Some(512 << 20));
    assert_eq!(service.process_count_limit.map(|limit| limit.value), Some(100));
}

#[test]
fn limits_of_deploy_win() {
    let (service, _) =
        reads_service("mem_limit: 1g\npids_limit: -1\ndeploy: {resources: {limits: {memory: 64M, pids: 5}}}");
    assert_eq!(service.memory_limit_bytes.map(|limit| limit.value), Some(64 << 20));
    assert_eq!(service.process_count_limit.map(|limit| limit.value), Some(5));
    assert_eq!(reads_service("pids_limit: -1").0.process_count_limit, None);
}

#[test]
fn life_and_storage_are_read() {
    let lines = "restart: no\nstop_grace_period: 1m30s\nstop_signal: SIGQUIT\nscale: 3\ntmpfs: /run:size=1m,mode=755\n\
        volumes_from: [b, 'container:c:ro']\ndepends_on: [x, y]\nenv_file: [a.env, {path: b.env, required: false}]\n\
        healthcheck: {test: [CMD, true]}\nlabels: [a=b]\nprofiles: [debug]\ncontainer_name: one\ndevelop: {watch: []}\n\
        deploy: {mode: global, rollback_config: {order: stop-first}, restart_policy: {condition: any}}";
    let (service, messages) = reads_service(lines);
    assert_eq!(messages, [""; 0]);
    assert_eq!(
        (text(&service.restart), text(&service.stop_signal), text(&service.container_name)),
        ("no", "SIGQUIT", "one")
    );
    assert_eq!(service.stop_grace_period_ms.map(|period| period.value), Some(90_000));
    assert_eq!(service.scale.map(|scale| scale.value), Some(3));
    assert_eq!((service.tmpfs[0].target.as_str(), service.tmpfs[0].options.len()), ("/run", 2));
    assert!(
        service.volumes_from[1].is_container && service.volumes_from[1].read_only && !service.volumes_from[0].read_only
    );
    assert_eq!((texts(&service.depends_on), texts(&service.env_file)), (vec!["x", "y"], vec!["a.env", "b.env"]));
    assert!(service.healthcheck.is_some() && !service.active);
    let deploy = service.deploy.expect("deploy");
    assert_eq!(
        (text(&deploy.mode), text(&deploy.rollback_order), text(&deploy.restart_condition)),
        ("global", "stop-first", "any")
    );
}

#[test]
fn a_disabled_health_check_is_none() {
    for check in ["{disable: true}", "{test: [NONE]}", "{}"] {
        assert_eq!(reads_service(&format!("healthcheck: {check}")).0.healthcheck, None, "{check}");
    }
}

#[test]
fn volumes_may_be_external_in_two_forms() {
    let compose =
        reads("services: {}\nvolumes:\n  a:\n  b: {external: true, name: real}\n  c: {external: {name: old}}\n");
    let told: Vec<_> = compose.volumes.iter().map(|v| (v.key.value.as_str(), v.external, text(&v.real_name))).collect();
    assert_eq!(told, [("a", false, ""), ("b", true, "real"), ("c", true, "old")]);
    assert_eq!(shown(compose.volumes[0].span), "3:3-3:4");
}

#[test]
fn profiles_decide_what_is_active() {
    let text = "services: {a: {image: x}, b: {image: x, profiles: [p]}, c: {image: x, profiles: [q]}}";
    let active = |profiles: &Profiles| {
        let sources = [Source { name: "c.yaml", text }];
        let compose = parse(&sources, &variable, &mut |_| Err(String::new()), profiles).expect("reads");
        compose.services.iter().map(|service| service.active).collect::<Vec<_>>()
    };
    assert_eq!(active(&Profiles::none()), [true, false, false]);
    assert_eq!(active(&Profiles::of(["p"])), [true, true, false]);
    assert_eq!(active(&Profiles::of(["*"])), [true, true, true]);
}

#[test]
fn json_is_read_as_well() {
    let compose = reads("{\"services\": {\"a\": {\"image\": \"x\", \"volumes\": [\"d:/d\"]}}}");
    assert_eq!(compose.services[0].mounts.len(), 1);
}

// ---- anchors ----

#[test]
fn anchors_and_merge_keys_are_followed() {
    let compose = reads(
        "x-a: &a\n  image: one\n  user: me\nx-b: &b {user: you, restart: always}\n\
         services:\n  s:\n    <<: *a\n    image: two\n  \
         t:\n    <<: [*a, *b]\n  u: *a\n",
    );
    let told: Vec<_> = compose.services.iter().map(|s| (text(&s.image), text(&s.user), text(&s.restart))).collect();
    assert_eq!(told, [("two", "me", ""), ("one", "me", "always"), ("one", "me", "")]);
    assert_eq!(shown(compose.services[0].user.as_ref().expect("a user").span), "3:9-3:11");
    assert_eq!(compose.warnings, []);
}

#[test]
fn merge_keys_reach_through_each_other() {
    let compose = reads("x-a: &a {image: x}\nx-b: &b\n  <<: *a\n  user: me\nservices:\n  s:\n    <<: *b\n");
    assert_eq!((text(&compose.services[0].image), text(&compose.services[0].user)), ("x", "me"));
}

#[test]
fn a_merge_key_that_names_no_mapping_is_a_warning() {
    warns("services:\n  a:\n    <<: 5\n    image: x\n", WarningKind::WrongValue, "`<<` takes a mapping");
}

#[test]
fn an_alias_bomb_is_refused() {
    let mut text = "a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n".to_owned();
    for level in 1..9 {
        let items = vec![format!("*a{}", level - 1); 10].join(",");
        text.push_str(&format!("a{level}: &a{level} [{items}]\n"));
    }
    refuses(&text, ManifestErrorKind::TooMuch, "expand");
}

#[test]
fn aliases_cannot_go_in_circles_or_deeper_than_the_bound() {
    refuses("services: &a\n  x: *a\n", ManifestErrorKind::Cycle, "contains the alias itself");
    let mut text = "a0: &a0 [x]\n".to_owned();
    (1..100).for_each(|level| text.push_str(&format!("a{level}: &a{level} [*a{}]\n", level - 1)));
    refuses(&text, ManifestErrorKind::TooMuch, "deep");
}

// ---- warnings ----

#[test]
fn variables_without_a_value_are_noted_with_their_place() {
    let compose = reads("services:\n  a:\n    image: x:$NO\n    user: ${NOT:?set it}\n    pid: $\n");
    let told: Vec<_> = compose.warnings.iter().map(|w| (w.kind, shown(w.span))).collect();
    let expected = [
        (WarningKind::UnsetVariable, "3:12-3:17"),
        (WarningKind::RequiredVariable, "4:11-4:25"),
        (WarningKind::BrokenVariable, "5:10-5:11"),
    ];
    assert_eq!(told, expected.map(|(kind, place)| (kind, place.to_owned())));
    let image = compose.services[0].image.as_ref().expect("an image");
    assert!(image.value == "x:" && compose.has_unset_variable(image.span));
}

#[test]
fn one_place_is_noted_once_however_often_it_is_aliased() {
    let compose = reads("services:\n  a: &a\n    image: $NO\n  b: *a\n  c: *a\n");
    assert_eq!((compose.services.len(), compose.warnings.len()), (3, 1));
}

#[test]
fn the_projects_name_is_a_variable() {
    let compose = reads("services: {a: {image: $COMPOSE_PROJECT_NAME}}\nname: shop-${TAG}\n");
    assert_eq!((text(&compose.services[0].image), compose.warnings.len()), ("shop-1.2", 0));
}

#[test]
fn odd_things_are_warnings() {
    warns("services: {a: {image: x}}\nservice: {}", WarningKind::UnknownKey, "`service` at the top");
    warns("services: {a: {imagge: x}}", WarningKind::UnknownKey, "`imagge` in a service");
    warns("services: {a: {image: x, image: y}}", WarningKind::Duplicate, "`image` stands here again");
    warns("services: {a: {image: [x]}}", WarningKind::WrongValue, "a list stands where a single value");
    warns("services: {a: {mem_limit: much}}", WarningKind::WrongValue, "`much` is not a size");
    warns("services: {a: {stop_grace_period: 10}}", WarningKind::WrongValue, "`10` is not a duration");
    warns("services: {a: {command: \"'x\"}}", WarningKind::WrongValue, "whose quotes end");
    warns("services: {a: {volumes: {x: y}}}", WarningKind::WrongValue, "a list of mounts");
    warns("services: {a: x}", WarningKind::WrongValue, "`x` is not a service");
    warns("services: {a: {environment: 5}}", WarningKind::WrongValue, "mapping");
    warns("services: {a: {volumes: [\"x1:/d\", \"y1:/d/\"]}}", WarningKind::Duplicate, "`/d` is mounted here again");
    warns("services: {}\n? [a]\n: b\n", WarningKind::WrongValue, "is no key");
    warns("services: {}\nvolumes: [a]", WarningKind::WrongValue, "this is a list");
}

#[test]
fn of_a_key_that_stands_twice_the_last_counts() {
    assert_eq!(text(&reads("services: {a: {image: x, image: y}}").services[0].image), "y");
}

#[test]
fn extensions_and_known_keys_are_no_warnings() {
    let text = "version: '3'\nx-any: 1\nnetworks: {}\n\
        services:\n  a:\n    image: x\n    x-any: [1]\n    ports: [80]\n    networks: [n]\n";
    assert_eq!(reads(text).warnings, []);
}

// ---- several files ----

const BASE: &str = "\
services:
  a:
    image: one
    command: [x, y]
    environment: [A=1, B=2]
    volumes: [\"d1:/one\", \"d2:/two\"]
    cap_add: [X]
    depends_on: [b]
    healthcheck: {test: [CMD, x], retries: 1}
  b: {image: b}
volumes: {d1: , d2: {driver: local}}
";

#[track_caller]
fn merges(above: &str) -> Compose {
    parse_shelf(&[("dir/base.yaml", BASE), ("other/over.yaml", above)], 2).unwrap_or_else(|error| panic!("{error}"))
}

#[test]
fn later_files_are_merged_over_earlier_ones() {
    let compose = merges(
        "services:\n  a:\n    image: two\n    command: z\n    \
         environment: {B: 3, C: }\n    volumes: [\"./x:/two/\", \"d3:/three\"]\n    \
         cap_add: [Y, X]\n    depends_on: {c: {condition: service_started}}\n  c: {image: c}\n\
         volumes: {d2: {name: real}, d3: {}}\n",
    );
    let a = &compose.services[0];
    assert_eq!((text(&a.image), texts(&a.command.as_ref().expect("a command").words)), ("two", vec!["z"]));
    assert_eq!(pairs(&a.environment), [("A", Some("1")), ("B", Some("3")), ("C", None)]);
    assert_eq!(
        a.mounts.iter().map(told).collect::<Vec<_>>(),
        ["volume d1 at /one", "bind ./x at /two", "volume d3 at /three"]
    );
    assert_eq!((texts(&a.cap_add), texts(&a.depends_on)), (vec!["X", "Y"], vec!["b", "c"]));
    assert_eq!(compose.services.iter().map(|s| s.name.value.as_str()).collect::<Vec<_>>(), ["a", "b", "c"]);
    assert_eq!((text(&compose.volumes[1].driver), text(&compose.volumes[1].real_name)), ("local", "real"));
    assert_eq!((a.mounts[0].span.source, a.mounts[1].span.source), (0, 1));
    assert_eq!(compose.warnings, []);
}

#[test]
fn paths_of_all_given_files_start_at_the_first_one() {
    let compose = merges("services: {a: {volumes: [\"./x:/x\", \"~/y:/y\"]}}");
    let resolve = |mount: &Mount| match &mount.kind {
        MountKind::Bind { source } => compose.resolve(source, Some("/home/me")),
        _ => String::new(),
    };
    assert_eq!(compose.services[0].mounts[2..].iter().map(resolve).collect::<Vec<_>>(), ["dir/x", "/home/me/y"]);
    assert_eq!(compose.file_of(compose.services[0].mounts[2].span), "other/over.yaml");
}

#[test]
fn reset_removes_and_override_replaces() {
    let compose = merges(
        "services:\n  a:\n    image: !reset null\n    \
         environment: {A: !reset null}\n    volumes: !override [\"d9:/nine\"]\n  b: !reset {}\n",
    );
    let a = &compose.services[0];
    assert_eq!((compose.services.len(), text(&a.image)), (1, ""));
    assert_eq!(pairs(&a.environment), [("B", Some("2"))]);
    assert_eq!(a.mounts.iter().map(told).collect::<Vec<_>>(), ["volume d9 at /nine"]);
}

#[test]
fn nothing_over_a_value_changes_nothing() {
    let a = merges("services: {a: {image: , volumes: , command: }, b: }").services.remove(0);
    assert_eq!((text(&a.image), a.mounts.len(), a.command.is_some()), ("one", 2, true));
}

#[test]
fn documents_of_one_file_are_merged_too() {
    let compose = reads("---\nservices: {a: {image: x}}\n---\n# nothing\n---\nservices: {a: {user: me}}\n...\n");
    assert_eq!((text(&compose.services[0].image), text(&compose.services[0].user)), ("x", "me"));
}

#[test]
fn a_part_of_a_project_needs_no_services() {
    assert_eq!(merges("volumes: {d4: {}}").volumes.len(), 3);
}

// ---- extends and include ----

#[test]
fn services_extend_one_another() {
    let compose = reads(
        "services:\n  a: {extends: b, user: me}\n  b:\n    extends: {service: c}\n    \
         image: b\n    volumes: [\"d1:/x\"]\n  \
         c: {image: c, restart: always, volumes: [\"d0:/x\", \"d0:/y\"]}\n",
    );
    let a = &compose.services[0];
    assert_eq!((text(&a.image), text(&a.restart), text(&a.user)), ("b", "always", "me"));
    assert_eq!(a.mounts.iter().map(told).collect::<Vec<_>>(), ["volume d1 at /x", "volume d0 at /y"]);
}

#[test]
fn a_service_of_another_file_keeps_its_paths() {
    let shelf: Shelf<'_> = &[
        ("app/compose.yaml", "services: {a: {extends: {file: ../base/x.yaml, service: b}, image: mine}}"),
        ("base/x.yaml", "services: {b: {extends: {file: deep/y.yaml, service: c}, volumes: [\"./d:/d\"]}}"),
        ("base/deep/y.yaml", "services: {c: {image: c, env_file: ./e.env}}"),
    ];
    let compose = parse_shelf(shelf, 1).expect("reads");
    let a = &compose.services[0];
    let MountKind::Bind { source } = &a.mounts[0].kind else { panic!("a bind") };
    assert_eq!(
        (compose.resolve(source, None), compose.resolve(&a.env_file[0], None)),
        ("base/d".into(), "base/deep/e.env".into())
    );
    assert_eq!(text(&a.image), "mine");
}

#[test]
fn extends_in_a_circle_or_into_nothing_is_refused() {
    refuses("services: {a: {extends: b}, b: {extends: a}}", ManifestErrorKind::Cycle, "extends itself");
    refuses("services: {a: {extends: a}}", ManifestErrorKind::Cycle, "`a` extends itself");
    refuses("services: {a: {extends: z}}", ManifestErrorKind::NotFound, "no service of this name");
    refuses("services: {a: {extends: {file: no.yaml, service: z}}}", ManifestErrorKind::NotLoaded, "no `no.yaml`");
    let shelf: Shelf<'_> = &[
        ("a.yaml", "services: {a: {extends: {file: b.yaml, service: b}}}"),
        ("b.yaml", "services: {b: {extends: {file: a.yaml, service: a}}}"),
    ];
    refuses_shelf(shelf, 1, ManifestErrorKind::Cycle, "extends itself");
}

#[test]
fn a_long_chain_of_extends_is_refused() {
    let services: String = (0..100).map(|n| format!("  s{n}: {{extends: s{}}}\n", n + 1)).collect();
    refuses(&format!("services:\n{services}  s100: {{image: x}}\n"), ManifestErrorKind::TooMuch, "extend one another");
}

#[test]
fn many_copies_of_a_large_service_are_refused() {
    let big: String = (0..20_000).map(|n| format!("      V{n}: x\n")).collect();
    let copies: String = (0..2_000).map(|n| format!("  s{n}: {{extends: big}}\n")).collect();
    refuses(&format!("services:\n  big:\n    environment:\n{big}{copies}"), ManifestErrorKind::TooMuch, "extend");
}

#[test]
fn included_files_come_after_the_files_own() {
    let shelf: Shelf<'_> = &[
        (
            "compose.yaml",
            "include:\n  - sub/compose.yaml\n  - {path: [x/one.yaml, x/two.yaml], project_directory: y}\n\
             services: {a: {image: x}}\n",
        ),
        ("sub/compose.yaml", "services: {b: {image: b, volumes: [\"./d:/d\"]}}\nvolumes: {v: {}}\n"),
        ("x/one.yaml", "services: {c: {image: one, volumes: [\"./d:/d\"]}}"),
        ("x/two.yaml", "services: {c: {image: two}}"),
    ];
    let compose = parse_shelf(shelf, 1).expect("reads");
    let told: Vec<_> = compose.services.iter().map(|s| (s.name.value.as_str(), text(&s.image))).collect();
    assert_eq!(told, [("a", "x"), ("b", "b"), ("c", "two")]);
    let sources = compose.services[1..].iter().filter_map(|service| match &service.mounts[0].kind {
        MountKind::Bind { source } => Some(compose.resolve(source, None)),
        _ => None,
    });
    assert_eq!((sources.collect::<Vec<_>>(), compose.volumes.len()), (vec!["sub/d".to_owned(), "y/d".to_owned()], 1));
}

#[test]
fn a_file_that_only_includes_is_enough() {
    let shelf: Shelf<'_> = &[("a.yaml", "include: [b.yaml]"), ("b.yaml", "services: {b: {image: b}}")];
    assert_eq!(parse_shelf(shelf, 1).expect("reads").services.len(), 1);
}

#[test]
fn what_is_included_and_differs_is_noted_and_the_same_is_not() {
    let shelf = |included| [("a.yaml", "include: [b.yaml]\nservices: {a: {image: x}}"), ("b.yaml", included)];
    let warnings = |included| parse_shelf(&shelf(included), 1).expect("reads").warnings.len();
    assert_eq!(warnings("services: {a: {image: x}}"), 0);
    assert_eq!(warnings("services: {a: {image: y}}"), 1);
}

#[test]
fn include_in_a_circle_or_without_end_is_refused() {
    let shelf: Shelf<'_> = &[("a.yaml", "include: [b.yaml]"), ("b.yaml", "include: [a.yaml]")];
    refuses_shelf(shelf, 1, ManifestErrorKind::Cycle, "includes itself");
    refuses("include: [no.yaml]\nservices: {}", ManifestErrorKind::NotLoaded, "no `no.yaml`");
    let mut count = 0;
    let mut load = |_: &str| {
        count += 1;
        Ok(Loaded { name: format!("{count}.yaml"), text: "include: [x.yaml, y.yaml]".to_owned() })
    };
    let sources = [Source { name: "c.yaml", text: "include: [x.yaml]" }];
    let error = parse(&sources, &variable, &mut load, &Profiles::none()).expect_err("refused");
    assert_eq!(error.kind, ManifestErrorKind::TooMuch);
}

// ---- what is refused ----

#[test]
fn broken_text_is_refused_with_its_place() {
    for (text, place) in [("a: [b\n\n", (1, 6)), ("services:\n\ta: b", (2, 2)), ("a: b\0c", (1, 5)), ("a: 'b", (1, 4))]
    {
        let error = parse_shelf(&[("c.yaml", text)], 1).expect_err("broken");
        assert_eq!(error.kind, ManifestErrorKind::Broken, "{text:?}");
        let found = error.place.expect("a place");
        assert_eq!((found.line, found.column), place, "{text:?}: {error}");
    }
}

#[test]
fn errors_name_what_the_line_looks_like() {
    refuses("services:\n  {{ x }}: {{ y }}\n  - {{", ManifestErrorKind::Broken, "template");
    refuses("services:\n  a: 1\n\tb: 2\n", ManifestErrorKind::Broken, "tab");
}

#[test]
fn nothing_is_refused_as_empty() {
    for text in ["", "\n \n", "# only this\n", "---\n", "---\n---\nnull\n", "\u{feff}"] {
        refuses(text, ManifestErrorKind::Empty, "blanks");
    }
}

#[test]
fn files_of_other_kinds_are_named() {
    let other = |text, looks| refuses(text, ManifestErrorKind::OtherKind, looks);
    other("apiVersion: v1\nkind: Pod\n", "Kubernetes");
    other("a: b\n---\napiVersion: v1\nkind: Pod\n", "Kubernetes");
    other("on: push\njobs: {}\n", "GitHub Actions");
    other("language: rust\nservices: [docker]\n", "a list");
    other("web: {image: x}\ndb: {build: .}\n", "version 1");
    other("- hosts: all\n", "Ansible");
    other("- a\n", "a list");
    other("just words", "plain text");
    other("volumes: {}", "without `services`");
    other("services: 5", "a single value");
}

#[test]
fn depth_and_size_have_bounds() {
    refuses(&"[".repeat(10_000), ManifestErrorKind::TooMuch, "recursion limit");
    refuses(&"- ".repeat(10_000), ManifestErrorKind::TooMuch, "deep");
    refuses(&"a".repeat(2 << 20), ManifestErrorKind::TooMuch, "bytes");
    refuses(&"---\na: b\n".repeat(200), ManifestErrorKind::TooMuch, "documents");
    assert_eq!(
        parse(&[], &variable, &mut |_| Err(String::new()), &Profiles::none()).map_err(|e| e.kind),
        Err(ManifestErrorKind::Empty)
    );
}

#[test]
fn the_same_text_gives_the_same_model() {
    assert_eq!(reads(TYPICAL), reads(TYPICAL));
}

// ---- any text ----

/// Pieces that YAML and Compose care about.
const PIECES: &[&str] = &[
    "\n",
    "  ",
    "- ",
    ": ",
    "? ",
    "{",
    "}",
    "[",
    "]",
    ",",
    "&a ",
    "*a",
    "<<: ",
    "!reset ",
    "!override ",
    "!!str ",
    "|\n",
    ">\n",
    "'",
    "\"",
    "\\",
    "#",
    "---\n",
    "...\n",
    "%TAG ! x\n",
    "\t",
    "\r",
    "ü",
    "\u{2028}",
    "\u{85}",
    "$",
    "${",
    "${A:-",
    "~",
    "null",
    "services:\n",
    "  a:\n",
    "    volumes:\n",
    "      - ",
    ":/b",
    "extends: a",
    "include: ",
    "environment: ",
    "command: ",
    "\u{feff}",
    "@",
    "`",
    "1m",
    "type: bind",
    "target: /x",
    "external: ",
    "deploy: ",
    "x",
    ":",
    "-",
    "\u{1F600}",
];

fn mutated(numbers: &mut Numbers) -> String {
    mutation::mutated(numbers, &[TYPICAL, BASE, ""], PIECES)
}

/// Every place lies in the text.
fn assert_places(text: &str, compose: &Compose) {
    let warned = compose.warnings.iter().map(|warning| warning.span);
    for span in warned.chain(compose.services.iter().map(|service| service.span)) {
        assert!(span.lies_in(text), "{span:?} in {text:?}");
    }
}

#[test]
fn any_text_is_read_or_refused() {
    let rounds = 20_000;
    let mut numbers = Numbers(7);
    for _ in 0..rounds {
        let text = mutated(&mut numbers);
        if let Ok(compose) = parse_shelf(&[("c.yaml", &text)], 1) {
            assert_places(&text, &compose);
        }
    }
}

#[test]
fn any_bytes_are_text_or_refused() {
    let mut numbers = Numbers(11);
    for _ in 0..2_000 {
        let bytes: Vec<u8> = (0..numbers.below(60)).map(|_| numbers.below(256) as u8).collect();
        if let Ok(text) = crate::manifest::error::text_of("c.yaml", &bytes) {
            let _read = parse_shelf(&[("c.yaml", text)], 1);
        }
    }
}
