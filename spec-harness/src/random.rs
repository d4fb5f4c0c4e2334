//! Random programs: drawn from a seed, given their expectations by the model, and made smaller where they show
//! a difference.
//!
//! ```text
//! plan    what is done, by numbers: drawn by proptest, which also makes it smaller
//!   │
//! draft   the same with names, for a kind of worker
//!   │     ▲
//! predict └── a model says which calls fail and which never return
//!   │
//! case    a case file like any other
//! ```

mod census;
mod draft;
mod file;
mod plan;
mod predicted;

use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

use crate::case::ast::Kind;
use crate::model::{Prediction, predict};
use draft::Draft;
use plan::{Plan, Sort};

pub use census::Census;
pub use predicted::{Predicted, Rejected};

/// A drawn program, which can be made smaller.
pub struct Drawn(Box<dyn ValueTree<Value = Plan>>);

impl std::fmt::Debug for Drawn {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Drawn").field(&self.0.current()).finish()
    }
}

/// A program for pools, drawn at random.
#[derive(Debug, Clone)]
pub struct Program(Draft);

/// Draws the program of this number; the same numbers give the same program.
///
/// # Examples
/// ```
/// use spec_harness::random::draw;
///
/// let program = draw(1, 7).program();
/// assert_eq!(program.steps(), draw(1, 7).program().steps());
/// assert!(program.kinds().iter().any(|kind| program.predicted(*kind).is_ok()));
/// ```
pub fn draw(seed: u64, number: u64) -> Drawn {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    bytes[8..16].copy_from_slice(&number.to_le_bytes());
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
    let mut runner = TestRunner::new_with_rng(Config::default(), rng);
    match plan::plan().new_tree(&mut runner) {
        Ok(tree) => Drawn(Box::new(tree)),
        // Nothing in a plan is filtered.
        Err(why) => unreachable!("{why}"),
    }
}

impl Drawn {
    /// The program as it is now.
    pub fn program(&self) -> Program {
        Program(draft::draft(&self.0.current()))
    }

    /// The smallest program that is found within so many tries and is still as asked for.
    pub fn smallest(mut self, tries: usize, mut is: impl FnMut(&Program) -> bool) -> Program {
        let mut best = self.program();
        let mut simpler = self.0.simplify();
        for _ in 0..tries {
            if !simpler {
                break;
            }
            let program = self.program();
            simpler = if is(&program) {
                best = program;
                self.0.simplify()
            } else {
                self.0.complicate()
            };
        }
        best
    }
}

impl Program {
    /// The kinds of workers that it is for.
    pub fn kinds(&self) -> &'static [Kind] {
        match self.0.sort {
            Sort::Both => &[Kind::Thread, Kind::Process],
            Sort::Thread => &[Kind::Thread],
            Sort::Process => &[Kind::Process],
        }
    }

    /// Number of main's steps.
    pub fn steps(&self) -> usize {
        self.0.steps.len()
    }

    /// The program as a case on workers of this kind.
    ///
    /// # Errors
    /// It is no program that a case can be.
    pub fn predicted(&self, kind: Kind) -> Result<Predicted, Rejected> {
        predicted::predicted(&self.0, kind, |case| match predict(case, kind) {
            Prediction::Ran(history) => Ok(*history),
            Prediction::NotApplicable(_) => Err(Rejected::OtherKind),
        })
    }

    /// A case file that shows what this program does, for one kind of worker or, where its steps end alike, for
    /// both.
    pub fn file(&self, title: &str, predicted: &[Predicted]) -> String {
        file::write(title, predicted)
    }
}
