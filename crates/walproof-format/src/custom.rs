//! The user's own workload: a TOML file with SQL, weights and invariants. docs/workloads.md describes it.

use crate::protocol::CustomWorkload;

impl CustomWorkload {
    /// Reads the file. The error says where (line, column) and what: TOML's own words, or what makes no sense.
    pub fn from_toml(text: &str) -> Result<Self, String> {
        let custom: Self = toml::from_str(text).map_err(|error| {
            let place = error.span().map_or_else(String::new, |span| place(text, span.start));
            format!("{place}{}", error.message())
        })?;
        custom.check().map_err(|(what, why)| {
            let at = text.find(&what).map_or_else(String::new, |offset| place(text, offset));
            format!("{at}{why}")
        })?;
        Ok(custom)
    }

    /// What is readable and makes no sense: where it stands in the text, and why.
    fn check(&self) -> Result<(), (String, String)> {
        if !self.transactions.iter().any(|one| one.writes && one.weight > 0) {
            let why = "no `[[transaction]]` has `writes = true` and a weight: nothing would ever be committed";
            return Err(("[[transaction]]".into(), why.into()));
        }
        let mut names: Vec<&str> = Vec::new();
        let invariants = self.invariants.iter().map(|one| &one.name);
        for name in self.transactions.iter().map(|one| &one.name).chain(invariants) {
            if names.contains(&name.as_str()) {
                return Err((format!("\"{name}\""), format!("the name `{name}` is given twice")));
            }
            names.push(name);
        }
        for transaction in &self.transactions {
            if transaction.sql.is_empty() {
                let why = format!("transaction `{}` has no statement", transaction.name);
                return Err((format!("\"{}\"", transaction.name), why));
            }
            for sql in &transaction.sql {
                check_statement(&transaction.name, sql).map_err(|why| (sql.clone(), why))?;
            }
        }
        Ok(())
    }
}

/// Transactions are walproof's: it numbers and records them.
fn check_statement(name: &str, sql: &str) -> Result<(), String> {
    let first = sql.split_whitespace().next().unwrap_or_default().trim_end_matches(';').to_ascii_uppercase();
    if ["BEGIN", "COMMIT", "END", "ROLLBACK", "SAVEPOINT", "RELEASE"].contains(&first.as_str()) {
        return Err(format!("`{first}` in transaction `{name}`: walproof begins and ends transactions itself"));
    }
    if ["PRAGMA", "ATTACH", "DETACH", "VACUUM"].contains(&first.as_str()) {
        return Err(format!(
            "`{first}` in transaction `{name}`: SQLite does not allow it there, or it is a setting of the run"
        ));
    }
    let unknown = parameters(sql).find(|word| ![":agent", ":number", ":random", ":row"].contains(word));
    match unknown {
        Some(word) => Err(format!(
            "`{word}` in transaction `{name}` is no parameter: there are `:agent`, `:number`, `:random`, `:row`"
        )),
        None => Ok(()),
    }
}

/// Words that begin with a colon, outside of quotes.
fn parameters(sql: &str) -> impl Iterator<Item = &str> {
    let outside = sql.split('\'').step_by(2);
    outside.flat_map(|part| {
        part.match_indices(':').map(|(at, _)| {
            let length = part[at + 1..].find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(part.len() - at - 1);
            &part[at..at + 1 + length]
        })
    })
}

/// `line 3, column 7: `.
fn place(text: &str, offset: usize) -> String {
    let before = &text[..offset.min(text.len())];
    let line = before.matches('\n').count() + 1;
    let column = before.chars().rev().take_while(|c| *c != '\n').count() + 1;
    format!("line {line}, column {column}: ")
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "setup = \"CREATE TABLE t(a)\"\n[[transaction]]\nname = \"put\"\nwrites = true\n\
                        sql = [\"INSERT INTO t VALUES(:number || ':x')\"]\n[[invariant]]\nname = \"few\"\n\
                        sql = \"SELECT count(*) < 9 FROM t\"\nreturns = \"1\"\n";

    fn fails(text: &str, words: &str) {
        let message = CustomWorkload::from_toml(text).expect_err("it is wrong");
        assert!(message.contains(words), "{message}");
    }

    #[test]
    fn what_is_right_is_read() {
        let custom = CustomWorkload::from_toml(GOOD).expect("it is right");
        assert_eq!((custom.transactions[0].weight, custom.invariants[0].returns.as_str()), (1, "1"));
    }

    #[test]
    fn what_is_wrong_is_said_with_its_place() {
        fails(&GOOD.replace("writes = true", "writes = 7"), "line 4, column 10: ");
        fails(&GOOD.replace("writes = true", "wites = true"), "unknown field `wites`");
        fails(&GOOD.replace("writes = true", "writes = false"), "line 2, column 1: no `[[transaction]]` has");
        fails(&GOOD.replace(":number", ":nmber"), "line 5, column 9: `:nmber` in transaction `put` is no parameter");
        fails(&GOOD.replace("INSERT INTO", "BEGIN; INSERT INTO"), "walproof begins and ends transactions itself");
        fails(&GOOD.replace("INSERT INTO", "pragma journal_mode; INSERT INTO"), "`PRAGMA` in transaction `put`");
        fails(&GOOD.replace("\"few\"", "\"put\""), "the name `put` is given twice");
        fails("", "setup");
    }
}
