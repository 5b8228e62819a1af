//! The filters that are not written in jq: those of jaq that only look at values, and ours where
//! jaq's would not be bounded or would reach outside (`env`, `input`, `halt`, `now`, `debug` are
//! not there).

mod functions;
mod regexes;

use jaq_core::data::JustLut;
use jaq_core::load::parse::{BinaryOp, Def, Pattern, Term};
use jaq_core::native::{Fun, bome, run, v};
use jaq_core::{Cv, Native};

use super::budget::{charge, step};
use super::value::Value;
use functions::own;

pub(super) type Data = JustLut<Value>;

/// Called first by every definition, so that recursion without values is counted too.
const STEP: &str = "!step";
/// The same for definitions that take filters. Filters made of filters, call by call, are let go
/// of by recursion: there may only be as many as the stack can take.
const LONG_STEP: &str = "!long_step";
/// Steps that a call counts for when it takes filters.
const LONG: u64 = 10;

/// Definitions of jaq that need what is not there, or are replaced.
const LEFT_OUT: &[&str] = &[
    "stderr",
    "debug",
    "halt",
    "halt_error",
    "logb",
    "significand",
    "drem",
    "nexttoward",
    "scalb",
    "gamma",
    "todate",
    "fromdate",
    "isnan",
    "isnormal",
    "type",
    "isboolean",
    "isnumber",
    "isstring",
    "isarray",
    "isobject",
    "@sh",
    "flatten",
    "abs",
];

/// Ours, in jq: what jaq's own definitions use.
const FIRST: &str = r#"
def isnormal: isnumber and ((. == 0 or isnan or . == 1 / 0 or . == -1 / 0) | not);
def abs: if isnumber | not then error("has no absolute value") elif . < 0 then - . else . end;
def flatten: flatten(1000);
"#;

/// Ours, in jq: what uses jaq's.
const LAST: &str = r#"
def tonumber: if isnumber then . else to_number end;
def toboolean: if isboolean then . elif . == "true" then true elif . == "false" then false
  else error("cannot be read as a boolean") end;
def transpose: [range([.[] | length] | max // 0) as $i | [.[][$i]]];
def in(xs): . as $x | xs | has($x);
def inside(xs): . as $x | xs | contains($x);
def index($i): indices($i) | if . == null then null else .[0] end;
def rindex($i): indices($i) | if . == null then null else .[-1] end;
def ascii: [.] | implode;
def todate: todateiso8601;
def fromdate: fromdateiso8601;
def @json: tojson;
def @sh: [if isarray then .[] end | if isstring then "'\(escape_sh)'" else "\(.)" end] | join(" ");
def @csv: [.[] | if isstring then "\"" + (split("\"") | join("\"\"")) + "\""
  elif . == null then "" elif isnumber or isboolean then tostring
  else error("cannot be a field of CSV") end] | join(",");
"#;

/// Every definition an expression may use, each counted.
pub(super) fn defs() -> Vec<Def<&'static str>> {
    let parsed = |text| jaq_core::load::parse(text, |parser| parser.defs()).unwrap_or_default();
    let theirs = jaq_std::defs().filter(|def| !LEFT_OUT.contains(&def.name));
    let all = jaq_core::defs().chain(parsed(FIRST));
    all.chain(theirs).chain(parsed(LAST)).map(counted).collect()
}

/// The definition, and those inside, with a step before its body.
pub(super) fn counted(def: Def<&str>) -> Def<&str> {
    let takes_filters = def.args.iter().any(|arg| !arg.starts_with('$'));
    Def {
        name: def.name,
        args: def.args,
        body: with_step(count_inside(def.body), takes_filters),
    }
}

fn with_step(body: Term<&str>, takes_filters: bool) -> Term<&str> {
    let name = if takes_filters { LONG_STEP } else { STEP };
    let step = Term::Call(name, Vec::new());
    Term::BinOp(Box::new(step), BinaryOp::Pipe(None), Box::new(body))
}

/// The term with every definition inside counted.
pub(super) fn count_inside<'s>(term: Term<&'s str>) -> Term<&'s str> {
    use jaq_core::load::lex::StrPart;
    use jaq_core::path::{Part, Path};
    let boxed = |term: Box<Term<&'s str>>| Box::new(count_inside(*term));
    let part = |part| match part {
        Part::Index(at) => Part::Index(count_inside(at)),
        Part::Range(from, to) => Part::Range(from.map(count_inside), to.map(count_inside)),
    };
    match term {
        Term::Id | Term::Recurse | Term::Num(_) | Term::Break(_) | Term::Var(_) => term,
        Term::Str(format, parts) => Term::Str(
            format,
            parts
                .into_iter()
                .map(|part| match part {
                    StrPart::Term(term) => StrPart::Term(count_inside(term)),
                    other => other,
                })
                .collect(),
        ),
        Term::Arr(inner) => Term::Arr(inner.map(boxed)),
        Term::Obj(members) => Term::Obj(
            members
                .into_iter()
                .map(|(key, value)| (count_inside(key), value.map(count_inside)))
                .collect(),
        ),
        Term::Neg(inner) => Term::Neg(boxed(inner)),
        Term::BinOp(left, BinaryOp::Pipe(Some(pattern)), right) => {
            let op = BinaryOp::Pipe(Some(count_in_pattern(pattern)));
            Term::BinOp(boxed(left), op, boxed(right))
        }
        Term::BinOp(left, op, right) => Term::BinOp(boxed(left), op, boxed(right)),
        Term::Label(name, inner) => Term::Label(name, boxed(inner)),
        Term::Fold(name, over, pattern, parts) => Term::Fold(
            name,
            boxed(over),
            count_in_pattern(pattern),
            parts.into_iter().map(count_inside).collect(),
        ),
        Term::TryCatch(inner, catch) => Term::TryCatch(boxed(inner), catch.map(boxed)),
        Term::IfThenElse(arms, otherwise) => Term::IfThenElse(
            arms.into_iter()
                .map(|(test, then)| (count_inside(test), count_inside(then)))
                .collect(),
            otherwise.map(boxed),
        ),
        Term::Def(defs, rest) => Term::Def(defs.into_iter().map(counted).collect(), boxed(rest)),
        Term::Call(name, args) => Term::Call(name, args.into_iter().map(count_inside).collect()),
        Term::Path(of, Path(parts)) => Term::Path(
            boxed(of),
            Path(
                parts
                    .into_iter()
                    .map(|(inner, opt)| (part(inner), opt))
                    .collect(),
            ),
        ),
    }
}

fn count_in_pattern(pattern: Pattern<&str>) -> Pattern<&str> {
    match pattern {
        Pattern::Var(_) => pattern,
        Pattern::Arr(parts) => Pattern::Arr(parts.into_iter().map(count_in_pattern).collect()),
        Pattern::Obj(members) => Pattern::Obj(
            members
                .into_iter()
                .map(|(key, part)| (count_inside(key), count_in_pattern(part)))
                .collect(),
        ),
    }
}

/// Every native filter an expression may use.
pub(super) fn funs() -> Vec<Fun<Data>> {
    let mut funs: Vec<Fun<Data>> = jaq_core::funs::<Data>()
        .chain(jaq_std::base_funs::<Data>())
        .filter(|(name, ..)| *name != "halt")
        .collect();
    let step = Native::new(|cv: Cv<'_, Data>| {
        step();
        bome(Ok(cv.1))
    })
    .with_paths(|cv| {
        step();
        jaq_core::box_iter::box_once(Ok(cv.1))
    })
    .with_update(|cv, f| {
        step();
        f(cv.1)
    });
    let long_step = Native::new(|cv: Cv<'_, Data>| {
        charge(LONG);
        bome(Ok(cv.1))
    })
    .with_paths(|cv| {
        charge(LONG);
        jaq_core::box_iter::box_once(Ok(cv.1))
    })
    .with_update(|cv, f| {
        charge(LONG);
        f(cv.1)
    });
    funs.push((STEP, v(0), step));
    funs.push((LONG_STEP, v(0), long_step));
    for filter in own() {
        funs.push(run::<Data>(filter));
    }
    funs
}
