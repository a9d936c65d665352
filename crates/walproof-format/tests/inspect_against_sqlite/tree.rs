//! Headers and owners: every field and every page against PRAGMAs, `sqlite_schema` and the `dbstat` table.

use walproof_format::sqlite::db_header::DbHeader;
use walproof_format::sqlite::owners::{OwnerMap, Role};
use walproof_format::sqlite::pages::PageSource;

use super::files::{Files, pragma};
use super::history::Life;
use super::log::{AtCommit, Log};

pub fn compare(life: &Life) {
    let files = Files::of(&life.folder.at("live.db"));
    let log = if life.wal { Log::read(&files.wal) } else { None };
    let newest = AtCommit::newest(&files, log.as_ref(), life.page_size);
    header(life, &newest);
    owners(life, &newest);
}

fn header(life: &Life, source: &AtCommit<'_>) {
    let page = source.page(1).expect("page 1");
    let header = DbHeader::parse(&page[..100]);
    assert_eq!(header.damage, [""; 0]);
    let says = |name| pragma(&life.writer, name);
    let fields = [
        ("page_size", header.page_size.map(i64::from)),
        ("page_count", Some(source.page_count().into())),
        ("freelist_count", header.freelist_pages.map(i64::from)),
        ("schema_version", header.schema_cookie.map(i64::from)),
        ("user_version", header.user_version.map(i64::from)),
        ("application_id", header.application_id.map(i64::from)),
    ];
    for (name, ours) in fields {
        assert_eq!(ours, Some(says(name)), "{name}, {}", life.describe());
    }
    assert_eq!(header.auto_vacuum, Some(says("auto_vacuum") != 0));
    assert_eq!(header.believed_page_count(), Some(source.page_count()));
    let encoding: String = life.writer.query_row("PRAGMA encoding", [], |row| row.get(0)).expect("an encoding");
    assert_eq!(header.text_encoding.map(|encoding| encoding.word().to_owned()), Some(encoding));
    let version: String = life.writer.query_row("SELECT sqlite_version()", [], |row| row.get(0)).expect("a version");
    assert_eq!(header.writer(), Some(version));
}

fn owners(life: &Life, source: &AtCommit<'_>) {
    let map = OwnerMap::read(source, u32::MAX).expect("a page 1");
    let faults: Vec<String> = map.faults.iter().map(ToString::to_string).collect();
    assert_eq!(faults, [""; 0], "{}", life.describe());
    assert!(!map.partial);
    let mut statement = life.writer.prepare("SELECT pageno, name, pagetype FROM dbstat").expect("dbstat is there");
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?))).expect("dbstat answers");
    let mut count = 0;
    for row in rows {
        let (page, name, kind): (u32, String, String) = row.expect("a row");
        let owner = map.owner(page).expect("it was looked at");
        let role = match kind.as_str() {
            "internal" => Role::Interior,
            "leaf" => Role::Leaf,
            "overflow" => Role::Overflow,
            other => panic!("dbstat knows `{other}`"),
        };
        let ours = owner.object.map(|object| object.name.as_str());
        assert_eq!((owner.role, ours), (role, Some(name.as_str())), "page {page}, {}", life.describe());
        count += 1;
    }
    let in_trees: u32 = map.tallies().iter().map(|tally| tally.interior + tally.leaf + tally.overflow).sum();
    assert_eq!(in_trees, count, "pages of trees");
    let free = map.count(Role::FreelistTrunk) + map.count(Role::FreelistLeaf);
    assert_eq!(i64::from(free), pragma(&life.writer, "freelist_count"));
    assert_eq!(map.count(Role::Nobodys), 0, "{}", life.describe());
    schema(life, &map);
}

fn schema(life: &Life, map: &OwnerMap) {
    let sql = "SELECT type, name, tbl_name, rootpage FROM sqlite_schema";
    let mut statement = life.writer.prepare(sql).expect("the schema");
    let row = |row: &rusqlite::Row<'_>| {
        let root: Option<u32> = row.get(3)?;
        Ok((
            row.get::<_, String>(0)?,
            row.get::<_, String>(1)?,
            row.get::<_, String>(2)?,
            root.filter(|root| *root > 0),
        ))
    };
    let theirs: Vec<_> = statement.query_map([], row).expect("rows").collect::<Result<_, _>>().expect("rows");
    let ours: Vec<_> = map.objects[1..]
        .iter()
        .map(|object| (object.kind.word().to_owned(), object.name.clone(), object.table.clone(), object.root_page))
        .collect();
    assert_eq!(ours, theirs);
}
