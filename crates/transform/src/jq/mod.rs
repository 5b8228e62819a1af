//! jq expressions over JSON bodies, bounded in steps, memory, depth and time.

mod budget;
mod natives;
mod number;
mod read;
mod value;
mod write;

#[cfg(test)]
mod tests;

use jaq_core::load::parse::Def;
use jaq_core::load::{Arena, Error as LoadError, File, Loader};
use jaq_core::{Compiler, Ctx, Filter, Vars};

pub use budget::{Budget, Cancel, Spent};
pub use read::{BadJson, READ_DEPTH};

use natives::Data;

/// Stack that a thread needs to run expressions with [`Budget::FULL`]. It is address space: only
/// what an expression really uses takes memory.
pub const STACK: usize = 256 << 20;
/// Longest expression in bytes.
pub const MAX_LENGTH: usize = 4 * 1024;
/// The definition that an expression becomes.
const MAIN: &str = "apiverse_main";
/// Stack for reading an expression: the longest may nest at every character. Only what is used of
/// it takes memory.
const COMPILE_STACK: usize = 256 << 20;
/// Deepest nesting of an expression.
const MAX_NESTING: usize = 32;
/// The variables an expression may use, in the order in which [`Program::run`] takes them.
pub const VARIABLES: [&str; 4] = ["$request", "$response", "$key", "$api"];

/// An expression is not accepted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadProgram {
    /// More than [`MAX_LENGTH`] bytes.
    #[error("is longer than 4096 bytes")]
    Long,
    /// Too many brackets, or words that nest, within one another.
    #[error("is nested too deep")]
    Nested,
    /// It is not jq, or names a filter or variable that is not there; what is said of it.
    #[error("is not an expression that can be used: {0}")]
    Syntax(String),
}

/// A run came to no value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RunError {
    /// The body is not JSON.
    #[error("the body is not JSON")]
    Input(#[from] BadJson),
    /// The expression said `error`, or did something to a value that cannot be done.
    #[error("the expression failed: {0}")]
    Failed(String),
    /// `empty`, or a path that matched nothing.
    #[error("the expression has no result")]
    NoResult,
    /// More than one result.
    #[error("the expression has more than one result")]
    ManyResults,
    #[error(transparent)]
    Spent(#[from] Spent),
}

/// A compiled expression. Cheap to run from any thread.
pub struct Program {
    filter: Filter<Data>,
}

impl std::fmt::Debug for Program {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Program").finish_non_exhaustive()
    }
}

impl Program {
    /// Compiles an expression.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn compile(code: &str) -> Result<Self, BadProgram> {
        if code.len() > MAX_LENGTH {
            return Err(BadProgram::Long);
        }
        if nesting(code) > MAX_NESTING {
            return Err(BadProgram::Nested);
        }
        // Parsing goes as deep as the expression nests, in ways that only parsing finds out.
        std::thread::scope(|scope| {
            let compiling = std::thread::Builder::new()
                .name("jq-compile".to_owned())
                .stack_size(COMPILE_STACK)
                .spawn_scoped(scope, || compile(code));
            match compiling.map(std::thread::ScopedJoinHandle::join) {
                Ok(Ok(compiled)) => compiled,
                Ok(Err(_)) | Err(_) => Err(BadProgram::Syntax("it cannot be read".to_owned())),
            }
        })
    }

    /// The one result for `body`, as JSON text. `variables`: JSON documents in the order of
    /// [`VARIABLES`].
    ///
    /// # Errors
    /// See [`RunError`].
    pub fn run(
        &self,
        body: &[u8],
        variables: [&[u8]; 4],
        budget: Budget,
        cancel: &Cancel,
    ) -> Result<Vec<u8>, RunError> {
        budget::within(budget, cancel, || self.result(body, variables))?
    }

    fn result(&self, body: &[u8], variables: [&[u8]; 4]) -> Result<Vec<u8>, RunError> {
        let body = read::from_text(body)?;
        let mut values = Vec::with_capacity(variables.len());
        for text in variables {
            values.push(read::from_text(text)?);
        }
        let context = Ctx::<Data>::new(&self.filter.lut, Vars::new(values));
        let mut results = self.filter.id.run((context, body));
        let Some(result) = results.next() else {
            return Err(RunError::NoResult);
        };
        let result = result.map_err(|exception| match exception.get_err() {
            Ok(error) => RunError::Failed(shortened(error.to_string())),
            // `break` outside of its label does not compile, and there is no `halt`.
            Err(_) => RunError::Failed("it broke off".to_owned()),
        })?;
        if results.next().is_some() {
            return Err(RunError::ManyResults);
        }
        Ok(write::to_text(&result).into_bytes())
    }
}

/// Values in messages may be as large as bodies.
fn shortened(mut text: String) -> String {
    const MOST: usize = 200;
    if text.len() > MOST {
        text.truncate(text.floor_char_boundary(MOST));
        text.push('…');
    }
    text
}

/// How deep brackets nest, and how many words nest what follows them.
fn nesting(code: &str) -> usize {
    let (mut depth, mut deepest) = (0_usize, 0);
    for byte in code.bytes() {
        match byte {
            b'(' | b'[' | b'{' => depth += 1,
            b')' | b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        deepest = deepest.max(depth);
    }
    deepest
}

fn compile(code: &str) -> Result<Program, BadProgram> {
    let syntax = |what: String| BadProgram::Syntax(what);
    // Read once for what is said of mistakes ...
    let arena = Arena::default();
    let loader = Loader::new([]);
    let file = File { code, path: () };
    loader.load(&arena, file).map_err(|errors| {
        let said = errors.into_iter().next().map(|(_, error)| match error {
            LoadError::Io(_) => None,
            LoadError::Lex(errors) => errors.first().map(|(expected, at)| {
                format!("expected {} {}", expected.as_str(), place(code, at))
            }),
            LoadError::Parse(errors) => errors.first().map(|(expected, at)| {
                format!("expected {} {}", expected.as_str(), place(code, at))
            }),
        });
        syntax(
            said.flatten()
                .unwrap_or_else(|| "modules cannot be used".to_owned()),
        )
    })?;
    // ... and again to put the counting into its definitions: what was loaded cannot be changed.
    let Some(main) = jaq_core::load::parse(code, |parser| parser.term()) else {
        return Err(syntax("modules cannot be used".to_owned()));
    };
    let main = Def {
        name: MAIN,
        args: Vec::new(),
        body: natives::count_inside(main),
    };
    let loader = Loader::new(natives::defs().into_iter().chain([main]));
    let file = File {
        code: MAIN,
        path: (),
    };
    let modules = loader
        .load(&arena, file)
        .map_err(|_| syntax("it cannot be read".to_owned()))?;
    let filter = Compiler::default()
        .with_funs(natives::funs())
        .with_global_vars(VARIABLES)
        .compile(modules)
        .map_err(|errors| {
            let first = errors.into_iter().flat_map(|(_, errors)| errors).next();
            syntax(match first {
                Some((name, undefined)) => {
                    format!(
                        "{} {} is not known",
                        undefined.as_str(),
                        shortened(name.to_owned())
                    )
                }
                None => "it cannot be compiled".to_owned(),
            })
        })?;
    Ok(Program { filter })
}

/// Where in the expression a part of it stands, for people.
fn place(code: &str, part: &str) -> String {
    let at = (part.as_ptr().addr()).checked_sub(code.as_ptr().addr());
    match at {
        Some(at) if at < code.len() => format!("at character {}", code[..at].chars().count() + 1),
        _ => "at the end".to_owned(),
    }
}
