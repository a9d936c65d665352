//! Elle's list-append histories, made of what agents of the workload `append` write down.
//!
//! Two formats. An agent writes JSON lines, one before a transaction (`invoke`) and one after it (`ok`, `fail` or
//! `info`), to `append-<agent>.life-<life>.jsonl`:
//!
//! ```text
//! {"agent":2,"life":0,"type":"invoke","time":17,"value":[["append",3,17],["r",4,null]]}
//! {"agent":2,"life":0,"type":"ok","time":19,"value":[["append",3,17],["r",4,[9,12]]]}
//! ```
//!
//! [`export`] gives the EDN maps that Jepsen writes and Elle reads, one a line:
//!
//! ```text
//! {:index 0, :type :invoke, :process 2, :time 17, :f :txn, :value [[:append 3 17] [:r 4 nil]]}
//! ```
//!
//! An `invoke` that nothing follows (the agent was killed) is completed by `:info`: it may have happened or not. As
//! Jepsen has it, a process is over after an `:info`: the agent goes on under another process number, and so does its
//! next life. Lines that cannot be read (a torn tail) are counted and left out.

use serde::{Deserialize, Serialize};

/// After so many bytes an agent's life writes no more: an export is for runs of minutes.
pub const LISTS_BYTES_MAX: u64 = 64 << 20;

/// The file name of one life of an agent.
pub fn lists_file_name(agent: u16, life: u16) -> String {
    format!("append-{agent}.life-{life}.jsonl")
}

/// One line of an agent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListLine {
    /// Who.
    pub agent: u16,
    /// In which life.
    pub life: u16,
    /// `invoke`, `ok`, `fail`, `info`.
    #[serde(rename = "type")]
    pub kind: String,
    /// CLOCK_MONOTONIC in nanoseconds.
    #[serde(rename = "time")]
    pub time_ns: u64,
    /// What the transaction did, in order.
    #[serde(rename = "value")]
    pub steps: Vec<ListStep>,
}

/// `["append", list, element]` or `["r", list, elements]`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListStep(String, u64, Value);

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
enum Value {
    Element(u64),
    List(Option<Vec<u64>>),
}

impl ListStep {
    /// Appends an element to a list.
    pub fn append(list: u64, element: u64) -> Self {
        Self("append".into(), list, Value::Element(element))
    }

    /// Asks for a list.
    pub fn asked(list: u64) -> Self {
        Self("r".into(), list, Value::List(None))
    }

    /// Has read a list.
    pub fn read(list: u64, elements: Vec<u64>) -> Self {
        Self("r".into(), list, Value::List(Some(elements)))
    }

    fn edn(&self) -> String {
        let Self(verb, list, value) = self;
        let value = match value {
            Value::Element(element) => element.to_string(),
            Value::List(None) => "nil".to_owned(),
            Value::List(Some(all)) => {
                format!("[{}]", all.iter().map(u64::to_string).collect::<Vec<_>>().join(" "))
            }
        };
        format!("[:{verb} {list} {value}]")
    }
}

impl ListLine {
    /// The line, with its end.
    pub fn encode(&self) -> String {
        let mut text = serde_json::to_string(self).expect("plain data");
        text.push('\n');
        text
    }
}

/// The lines of one file, and how many were none.
pub fn parse(text: &str) -> (Vec<ListLine>, usize) {
    let mut torn = 0;
    let lines = text.lines().filter_map(|line| match serde_json::from_str(line) {
        Ok(line) => Some(line),
        Err(_) => {
            torn += 1;
            None
        }
    });
    (lines.collect(), torn)
}

/// Operations of all agents as Jepsen writes them, in order of time. `files` are those of one life each.
pub fn export(files: &[Vec<ListLine>]) -> String {
    let agents = files.iter().flatten().map(|line| u64::from(line.agent) + 1).max().unwrap_or(1);
    let end_ns = files.iter().flatten().map(|line| line.time_ns + 1).max().unwrap_or(0);
    // A process that is over makes room for the next one of the same agent.
    let mut over = vec![0u64; agents as usize];
    let mut sorted: Vec<&Vec<ListLine>> = files.iter().collect();
    sorted.sort_by_key(|file| file.first().map(|line| (line.agent, line.life)));
    let mut operations: Vec<(u64, u64, String, String)> = Vec::new();
    for file in sorted {
        let Some(agent) = file.first().map(|line| usize::from(line.agent)) else { continue };
        let mut open: Option<&ListLine> = None;
        for line in file {
            let invokes = line.kind == "invoke";
            if let Some(asked) = open.filter(|_| invokes) {
                operations.push((line.time_ns, process(agent, over[agent], agents), "info".into(), steps(asked)));
                over[agent] += 1;
            }
            open = invokes.then_some(line);
            operations.push((line.time_ns, process(agent, over[agent], agents), line.kind.clone(), steps(line)));
            over[agent] += u64::from(line.kind == "info");
        }
        if let Some(asked) = open {
            operations.push((end_ns, process(agent, over[agent], agents), "info".into(), steps(asked)));
        }
        over[agent] += 1;
    }
    operations.sort_by_key(|(time_ns, ..)| *time_ns);
    let line = |(index, (time, process, kind, steps)): (usize, &(u64, u64, String, String))| {
        format!("{{:index {index}, :type :{kind}, :process {process}, :time {time}, :f :txn, :value [{steps}]}}\n")
    };
    operations.iter().enumerate().map(line).collect()
}

fn process(agent: usize, over: u64, agents: u64) -> u64 {
    agent as u64 + over * agents
}

fn steps(line: &ListLine) -> String {
    line.steps.iter().map(ListStep::edn).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(agent: u16, life: u16, kind: &str, time_ns: u64, steps: Vec<ListStep>) -> ListLine {
        ListLine { agent, life, kind: kind.into(), time_ns, steps }
    }

    #[test]
    fn a_line_is_what_the_page_says_and_survives_the_round_trip() {
        let asked = line(2, 0, "invoke", 17, vec![ListStep::append(3, 17), ListStep::asked(4)]);
        let text = r#"{"agent":2,"life":0,"type":"invoke","time":17,"value":[["append",3,17],["r",4,null]]}"#;
        assert_eq!(asked.encode(), format!("{text}\n"));
        let seen = line(2, 0, "ok", 19, vec![ListStep::append(3, 17), ListStep::read(4, vec![9, 12])]);
        let torn = asked.encode() + &seen.encode() + &seen.encode()[..20];
        assert_eq!(parse(&torn), (vec![asked, seen], 1));
    }

    #[test]
    fn what_has_no_answer_is_info_and_ends_its_process() {
        let append = |number| vec![ListStep::append(0, number)];
        let first = vec![
            line(0, 0, "invoke", 1, append(1)),
            line(0, 0, "ok", 2, append(1)),
            line(0, 0, "invoke", 5, append(2)),
        ];
        let second = vec![
            line(0, 1, "invoke", 7, vec![ListStep::asked(0)]),
            line(0, 1, "ok", 8, vec![ListStep::read(0, vec![1, 2])]),
        ];
        let other = vec![line(1, 0, "invoke", 3, append(3)), line(1, 0, "info", 4, append(3))];
        let expected = "\
{:index 0, :type :invoke, :process 0, :time 1, :f :txn, :value [[:append 0 1]]}
{:index 1, :type :ok, :process 0, :time 2, :f :txn, :value [[:append 0 1]]}
{:index 2, :type :invoke, :process 1, :time 3, :f :txn, :value [[:append 0 3]]}
{:index 3, :type :info, :process 1, :time 4, :f :txn, :value [[:append 0 3]]}
{:index 4, :type :invoke, :process 0, :time 5, :f :txn, :value [[:append 0 2]]}
{:index 5, :type :invoke, :process 2, :time 7, :f :txn, :value [[:r 0 nil]]}
{:index 6, :type :ok, :process 2, :time 8, :f :txn, :value [[:r 0 [1 2]]]}
{:index 7, :type :info, :process 0, :time 9, :f :txn, :value [[:append 0 2]]}
";
        assert_eq!(export(&[second, first, other]), expected);
    }
}
