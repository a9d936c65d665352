//! World `one-client-reopening`: one network client, its mount shared by all containers; an open() drops what is cached.

use walproof_format::protocol::Duty;
use walproof_judge::checkers::AnomalyKind;

use super::{Expectation, Fault, Needs, Side, World, sides};
use crate::clients::{ClientOptions, Latency, Pages};

/// one network client, its mount shared by all containers; an open() drops what is cached.
pub static WORLD: World = World {
    name: "one-client-reopening",
    explain: include_str!("one_client_reopening.md"),
    wal: Expectation::Unsafe,
    rollback: Expectation::Unsafe,
    fault: Fault::Boundary,
    needs: Needs::Clients,
    nemeses: &[],
    names: &[
        AnomalyKind::TornRead,
        AnomalyKind::StaleRead,
        AnomalyKind::StructuralDamage,
        AnomalyKind::UnexpectedError,
    ],
    prepare: |scratch, agents| {
        let mut ground = sides(scratch, agents, &[Side::Client(OPTIONS)])?;
        ground.views.iter_mut().skip(2).step_by(3).for_each(|view| view.duty = Duty::Visit);
        Ok(ground)
    },
};

const OPTIONS: ClientOptions = ClientOptions::believing(Pages::CachedUntilOpen, 1000).with_latency(LATENCY);
/// Now and then a write is on its way for a while.
const LATENCY: Latency = Latency { writes_every: 10, writes_us_max: 3_000, ..Latency::NONE };
