//! A pool whose adapter says that it can nothing: no case is for it, of those in a folder of the package.

use std::collections::BTreeMap;
use std::process::ExitCode;

use spec_harness::adapter::{Answer, Program, serve};
use spec_harness::protocol::{Call, ErrorReply, Hello, WorkerKind};

spec_harness::conformance! {
    cases: "tests/own";
    "mute", Thread => adapter;
}

fn adapter() -> ExitCode {
    serve(|_| Mute)
}

struct Mute;

impl Program for Mute {
    fn hello(&self, kind: WorkerKind) -> Option<Hello> {
        Some(Hello {
            name: "mute".into(),
            version: "0.1".into(),
            kinds: vec![kind],
            can: Vec::new(),
            declines: BTreeMap::new(),
            polls: None,
        })
    }

    fn call(&self, _: Call) -> Answer {
        Err(ErrorReply {
            kind: "Protocol".into(),
            text: "it can nothing".into(),
        })
    }

    fn leave(&self) {}
}
