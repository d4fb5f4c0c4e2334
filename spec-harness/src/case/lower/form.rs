//! The kinds of steps, and what may stand beside each.

/// One kind of step.
pub(super) struct Form {
    pub(super) name: &'static str,
    /// Keys of its own.
    beside: &'static [&'static str],
    /// Whether it calls the implementation: then it may say `takes`, `raises` and `blocks`.
    pub(super) calls: bool,
    /// Whether it has a result that `as` and `into` can keep.
    pub(super) yields: bool,
    /// Whether it may be one word without a value.
    pub(super) bare: bool,
}

/// A step that says nothing but its value.
const fn form(name: &'static str) -> Form {
    Form {
        name,
        beside: &[],
        calls: false,
        yields: false,
        bare: false,
    }
}

impl Form {
    const fn beside(self, beside: &'static [&'static str]) -> Form {
        Form { beside, ..self }
    }

    const fn calls(self) -> Form {
        Form {
            calls: true,
            ..self
        }
    }

    const fn yields(self) -> Form {
        Form {
            yields: true,
            ..self
        }
    }

    const fn bare(self) -> Form {
        Form { bare: true, ..self }
    }
}

/// Every kind of step, in the order in which a list of them is shown.
const FORMS: [Form; 31] = [
    form("pool").calls().bare(),
    form("apply").beside(&["on"]).calls().yields(),
    form("apply_async")
        .beside(&["on", "callback", "error_callback"])
        .calls()
        .yields(),
    form("map").beside(MAP).calls().yields(),
    form("map_async").beside(MAP_ASYNC).calls().yields(),
    form("starmap").beside(MAP).calls().yields(),
    form("starmap_async").beside(MAP_ASYNC).calls().yields(),
    form("imap").beside(IMAP).calls().yields(),
    form("imap_unordered").beside(IMAP).calls().yields(),
    form("next").beside(&["timeout"]).calls().yields(),
    form("get").beside(&["timeout"]).calls().yields(),
    form("wait").beside(&["timeout"]).calls(),
    form("ready").calls().yields(),
    form("successful").calls().yields(),
    form("close").beside(&["on"]).calls().bare(),
    form("terminate").beside(&["on"]).calls().bare(),
    form("join").beside(&["on", "timeout"]).calls().bare(),
    form("drop").beside(&["on"]).calls().bare(),
    form("process").beside(&["daemon"]).calls().yields(),
    form("start").calls(),
    form("join_process").beside(&["timeout"]).calls(),
    form("is_alive").calls().yields(),
    form("exitcode").calls().yields(),
    form("terminate_process").calls(),
    form("kill").calls(),
    form("print"),
    form("sleep"),
    form("let"),
    form("check"),
    form("for").beside(&["do"]),
    form("if").beside(&["then", "else"]),
];

const MAP: &[&str] = &["over", "chunksize", "on"];
const IMAP: &[&str] = &["over", "chunksize", "read_ahead", "on"];
const MAP_ASYNC: &[&str] = &["over", "chunksize", "on", "callback", "error_callback"];

/// Keys that stand beside a step's own key, never alone.
const MODIFIERS: [&str; 17] = [
    "as",
    "into",
    "takes",
    "raises",
    "blocks",
    "in",
    "on",
    "over",
    "chunksize",
    "read_ahead",
    "callback",
    "error_callback",
    "timeout",
    "daemon",
    "do",
    "then",
    "else",
];

impl Form {
    /// The form whose key this is.
    pub(super) fn named(name: &str) -> Option<&'static Form> {
        FORMS.iter().find(|form| form.name == name)
    }

    /// The keys of all forms.
    pub(super) fn names() -> impl Iterator<Item = &'static str> + Clone {
        FORMS.iter().map(|form| form.name)
    }

    /// The keys of all forms that a body can do from inside.
    pub(super) fn names_inside() -> impl Iterator<Item = &'static str> {
        let inside = FORMS.iter().filter(|form| form.inside());
        inside.map(|form| form.name)
    }

    /// Whether another thread of the program can do it (`in: t1`).
    pub(super) fn threaded(&self) -> bool {
        self.calls || matches!(self.name, "print" | "sleep")
    }

    /// Whether a body can do it from inside (`call:`): what is about the pool that is there already.
    pub(super) fn inside(&self) -> bool {
        self.calls
            && !matches!(
                self.name,
                "pool"
                    | "process"
                    | "start"
                    | "join_process"
                    | "is_alive"
                    | "exitcode"
                    | "terminate_process"
                    | "kill"
            )
    }

    /// Every key that may stand beside its own.
    pub(super) fn others(&self) -> Vec<&'static str> {
        let mut others = self.beside.to_vec();
        if self.yields {
            others.extend(["as", "into"]);
        }
        if self.calls {
            others.extend(["takes", "raises", "blocks"]);
        }
        if self.threaded() {
            others.push("in");
        }
        others
    }
}

/// Whether a key stands beside steps, so that it cannot be a misspelt step.
pub(super) fn is_modifier(key: &str) -> bool {
    MODIFIERS.contains(&key)
}
