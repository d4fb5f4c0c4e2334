//! What can stand behind a word.

/// The shape of a value. The parser reads it, the schema describes it, the reference names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::case) enum Shape {
    /// No value: the word stands alone.
    Nothing,
    /// The number of the language's version.
    Version,
    /// Any text on one line.
    Text,
    /// A list of texts.
    Words,
    /// A list of rows of the contract.
    Rows,
    /// A list of abilities.
    Abilities,
    /// `thread` or `process`.
    Kind,
    /// Task functions by signature.
    Tasks,
    /// A list of steps.
    Steps,
    /// A list of operations.
    Ops,
    /// One step that a body can make.
    InnerStep,
    /// What must be seen.
    Expect,
    /// What must be seen, by kind of worker.
    On,
    /// Lines by instant.
    Timeline,
    /// A list of lines.
    Lines,
    /// Fates by sets of tasks.
    Fates,
    /// What must hold of workers.
    Workers,
    /// A list of orders.
    Orders,
    /// A list of claims.
    Claims,
    /// `rule`, or a list of expectations.
    Schedules,
    /// A number of units of virtual time, as a plain number.
    Time,
    /// A whole number from 0.
    Count,
    /// `true` or `false`.
    Bool,
    /// `true`, `false` or `usually`.
    Truth,
    /// An expression.
    Expr,
    /// Text with expressions in braces.
    Template,
    /// A name that the case gives.
    Name,
    /// The name of a pool, or nothing.
    PoolName,
    /// The size of a pool, its options, or nothing.
    NewPool,
    /// A task with its arguments.
    Call,
    /// A task without arguments.
    Task,
    /// `i in range(10)`.
    Loop,
    /// Variables with their values.
    Bindings,
    /// An error with its message.
    Raise,
    /// The name of an error.
    Error,
    /// The word `forever`.
    Forever,
}

impl Shape {
    /// All of them.
    pub(super) const ALL: [Shape; 36] = [
        Shape::Nothing,
        Shape::Version,
        Shape::Text,
        Shape::Words,
        Shape::Rows,
        Shape::Abilities,
        Shape::Kind,
        Shape::Tasks,
        Shape::Steps,
        Shape::Ops,
        Shape::InnerStep,
        Shape::Expect,
        Shape::On,
        Shape::Timeline,
        Shape::Lines,
        Shape::Fates,
        Shape::Workers,
        Shape::Orders,
        Shape::Claims,
        Shape::Schedules,
        Shape::Time,
        Shape::Count,
        Shape::Bool,
        Shape::Truth,
        Shape::Expr,
        Shape::Template,
        Shape::Name,
        Shape::PoolName,
        Shape::NewPool,
        Shape::Call,
        Shape::Task,
        Shape::Loop,
        Shape::Bindings,
        Shape::Raise,
        Shape::Error,
        Shape::Forever,
    ];

    /// What it is called, for readers.
    pub(super) fn title(self) -> &'static str {
        match self {
            Shape::Nothing => "no value",
            Shape::Version => "`1`",
            Shape::Text => "text",
            Shape::Words => "a list of texts",
            Shape::Rows => "a list of rows",
            Shape::Abilities => "a list of abilities",
            Shape::Kind => "`thread` or `process`",
            Shape::Tasks => "functions: a signature, and a list of operations (none is fine)",
            Shape::Steps => "a list of steps",
            Shape::Ops => "a list of operations",
            Shape::InnerStep => "a step",
            Shape::Expect => "the keys of `expect`",
            Shape::On => "`thread` or `process`, each with an `expect`",
            Shape::Timeline => "instants, each with a list of lines",
            Shape::Lines => "a list of lines",
            Shape::Fates => "sets of tasks, each with its fate",
            Shape::Workers => "the keys of `workers`",
            Shape::Orders => "a list of orders",
            Shape::Claims => "a list of claims",
            Shape::Schedules => "`rule`, or a list of what other orders may give",
            Shape::Time => "a number of units of time",
            Shape::Count => "a whole number",
            Shape::Bool => "`true` or `false`",
            Shape::Truth => "`true`, `false` or `usually`",
            Shape::Expr => "an expression",
            Shape::Template => "text with `{expressions}`",
            Shape::Name => "a name",
            Shape::PoolName => "the name of a pool, or nothing",
            Shape::NewPool => "the number of workers, the keys of a pool, or nothing",
            Shape::Call => "a call: `func(1, 'a')`",
            Shape::Task => "the name of a task",
            Shape::Loop => "`NAME in EXPRESSION`",
            Shape::Bindings => "names with their values, which are expressions",
            Shape::Raise => "`KIND`, `\"KIND: message\"`, or a mapping of `kind` and `text`",
            Shape::Error => "the name of an error",
            Shape::Forever => "`forever`",
        }
    }
}
