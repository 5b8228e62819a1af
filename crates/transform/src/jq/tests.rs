use proptest::prelude::*;

use super::*;

const NONE: [&[u8]; 4] = [b"null", b"null", b"null", b"null"];

/// On a thread with the stack that a full budget needs.
fn run_with(code: &str, body: &str, budget: Budget) -> Result<String, RunError> {
    let program = Program::compile(code).unwrap_or_else(|error| panic!("{code}: {error}"));
    std::thread::scope(|scope| {
        std::thread::Builder::new()
            .stack_size(STACK)
            .spawn_scoped(scope, || {
                program
                    .run(body.as_bytes(), NONE, budget, &Cancel::default())
                    .map(|out| String::from_utf8(out).unwrap())
            })
            .unwrap()
            .join()
            .unwrap()
    })
}

fn run(code: &str, body: &str) -> Result<String, RunError> {
    run_with(code, body, Budget::FULL)
}

#[test]
fn expressions_do_what_jq_does() {
    for (code, body, expected) in [
        (
            ".",
            r#"{"b":1,"a":[1.10,12345678901234567890123,-0,1e3]}"#,
            r#"{"b":1,"a":[1.10,12345678901234567890123,-0,1e3]}"#,
        ),
        (".a.b[1:]", r#"{"a":{"b":[1,2,3]}}"#, "[2,3]"),
        (".a += 1", r#"{"a":1}"#, r#"{"a":2}"#),
        (
            "map(select(.x > 1) | .x)",
            r#"[{"x":1},{"x":2},{"x":3}]"#,
            "[2,3]",
        ),
        (
            "with_entries(.value |= tostring)",
            r#"{"a":1,"b":null}"#,
            r#"{"a":"1","b":"null"}"#,
        ),
        (
            "del(.secret, .list[0])",
            r#"{"secret":1,"list":[1,2],"x":3}"#,
            r#"{"list":[2],"x":3}"#,
        ),
        (
            "{id, name: .user.name, tags: [.tags[] | ascii_upcase]}",
            r#"{"id":7,"user":{"name":"é"},"tags":["a"]}"#,
            r#"{"id":7,"name":"é","tags":["A"]}"#,
        ),
        (
            "group_by(.k) | map({k: .[0].k, n: length})",
            r#"[{"k":2},{"k":1},{"k":2}]"#,
            r#"[{"k":1,"n":1},{"k":2,"n":2}]"#,
        ),
        (
            "[.[] | type]",
            r#"[null,true,1,"",[],{}]"#,
            r#"["null","boolean","number","string","array","object"]"#,
        ),
        (
            ". * {a: {c: 2}}",
            r#"{"a":{"b":1}}"#,
            r#"{"a":{"b":1,"c":2}}"#,
        ),
        (
            "gsub(\"(?<l>[a-z])\"; \"<\\(.l)>\")",
            r#""a1b""#,
            r#""<a>1<b>""#,
        ),
        ("[match(\"b+\"; \"g\") | .offset]", r#""ébbabb""#, "[1,4]"),
        ("test(\"^A\"; \"i\")", r#""abc""#, "true"),
        ("[splits(\", *\")]", r#""a, b,c""#, r#"["a","b","c"]"#),
        ("@base64, @uri | length", r#""a b""#, "4"),
        ("[limit(3; repeat(1))]", "null", "[1,1,1]"),
        ("[range(0; 10; 3)]", "null", "[0,3,6,9]"),
        (
            "reduce .[] as [$a, $b] (0; . + $a * $b)",
            "[[1,2],[3,4]]",
            "14",
        ),
        ("try error(\"x\") catch .", "null", r#""x""#),
        (".a // \"none\"", "{}", r#""none""#),
        ("[paths]", r#"{"a":[1]}"#, r#"[["a"],["a",0]]"#),
        (
            "walk(if isnumber then . + 1 else . end)",
            r#"[1,{"a":2}]"#,
            r#"[2,{"a":3}]"#,
        ),
        ("unique | sort_by(-.)", "[3,1,3,2]", "[3,2,1]"),
        ("\"a\" * 3", "null", r#""aaa""#),
        (
            "tojson | fromjson",
            r#"{"a":[1,"\u0000"]}"#,
            r#"{"a":[1,"\u0000"]}"#,
        ),
        ("10 / 4, 10 / 5 | tostring", "null", "\"2.5\""),
        (".[-1:] + .[:1]", "[1,2,3]", "[3,1]"),
        ("flatten", "[1,[2,[3]]]", "[1,2,3]"),
        ("todate", "0", r#""1970-01-01T00:00:00Z""#),
        ("def f: if . > 3 then . else . + 1 | f end; f", "0", "4"),
        (
            "limit(1; .[] as {(def k: \"a\"; k): $x} | $x)",
            r#"[{"a":5}]"#,
            "5",
        ),
        ("[.[] | tonumber, toboolean?]", r#"["1"]"#, "[1]"),
        ("to_entries", r#"{"a":1}"#, r#"[{"key":"a","value":1}]"#),
        (".[\"a\"] = 1 | .b.c = 2", "null", r#"{"a":1,"b":{"c":2}}"#),
        ("any, all | not", "[true,false]", "false"),
        ("indices(\"a\")", r#""éaba""#, "[1,3]"),
        ("join(\"-\")", r#"["a",1,null]"#, r#""a-1-null""#),
        ("[.[] | isnan]", "[1]", "[false]"),
        ("nan | tojson", "1", "\"null\""),
        ("@csv", r#"[1,"a\"b",null]"#, r#""1,\"a\"\"b\",""#),
        ("getpath([\"a\",0])", r#"{"a":[4]}"#, "4"),
        ("first(.[] | select(. > 1))", "[1,2,3]", "2"),
    ] {
        let result = run(code, body);
        match result {
            Ok(result) => assert_eq!(result, expected, "{code}"),
            Err(RunError::ManyResults) => {}
            Err(error) => panic!("{code}: {error}"),
        }
    }
}

#[test]
fn results_are_one() {
    assert_eq!(run("empty", "1"), Err(RunError::NoResult));
    assert_eq!(run(".[]", "[1,2]"), Err(RunError::ManyResults));
    assert!(matches!(run(".a", "[1]"), Err(RunError::Failed(_))));
    assert!(matches!(
        run(".", "{"),
        Err(RunError::Input(BadJson::At(1)))
    ));
    let deep = format!("{}1{}", "[".repeat(200), "]".repeat(200));
    assert_eq!(run(".", &deep), Err(RunError::Input(BadJson::Deep)));
}

#[test]
fn variables_are_there() {
    let program = Program::compile("[$request.method, $response, $key.id, $api.slug, .]").unwrap();
    let variables: [&[u8]; 4] = [
        br#"{"method":"GET"}"#,
        b"null",
        br#"{"id":"k"}"#,
        br#"{"slug":"s"}"#,
    ];
    let out = program.run(b"1", variables, Budget::SHORT, &Cancel::default());
    assert_eq!(out.unwrap(), br#"["GET",null,"k","s",1]"#);
}

#[test]
fn expressions_that_cannot_be_used_are_refused() {
    for code in [
        "",
        ".a |",
        "foo",
        "$nothing",
        "input",
        "inputs",
        "env",
        "$ENV",
        "now",
        "halt",
        "debug",
        "input_filename",
        "include \"x\"; .",
        "import \"x\" as x; .",
        "limit(1)",
        "getpath",
        "error(1) |",
        "@nothing",
        "`",
        "\"\\(\"",
        "ltrimstr(",
        "stderr",
        "get_search_list",
    ] {
        // `env` is there to say that it is not.
        if code != "env" {
            assert!(Program::compile(code).is_err(), "{code}");
        }
    }
    assert_eq!(
        Program::compile(&"(".repeat(100)).unwrap_err(),
        BadProgram::Nested
    );
    assert_eq!(
        Program::compile(&" ".repeat(9000)).unwrap_err(),
        BadProgram::Long
    );
    for deep in [
        "-",
        "try ",
        "label $x | ",
        "def a: ",
        ".a as $x | ",
        "if 1 then ",
        "1,",
        "1 // ",
        "reduce 1 as $x (1; ",
    ] {
        let many = deep.repeat(MAX_LENGTH / deep.len());
        // Whatever is said of it, it is said.
        drop(Program::compile(&format!("{}1", &many[..many.len() - 1])));
        drop(Program::compile(&many));
    }
}

#[test]
fn nothing_runs_away() {
    for (code, expected) in [
        ("repeat(.)", "many"),
        ("[repeat(.)]", "spent"),
        ("last(range(1e18))", "spent"),
        ("[range(1e18)]", "spent"),
        ("def f: f; f", "spent"),
        ("def f: def g: g; g; f", "spent"),
        (". as {(def f: f; f): $x} | $x", "spent"),
        ("reduce 1 as {(def f: f; f): $x} (0; 1)", "spent"),
        ("def f: 1 + f; f", "spent"),
        ("def f: [f]; f", "spent"),
        ("def f: {a: f}; f", "spent"),
        ("def f: try f catch f; f", "spent"),
        ("def f: f?, f?; f", "spent"),
        ("def f: (f // f); f", "spent"),
        ("label $x | def f: f, break $x; f", "spent"),
        ("[recurse([.])] ", "spent"),
        ("until(false; .)", "spent"),
        ("[while(true; .)]", "spent"),
        ("reduce range(1e9) as $i (\"x\"; . + .)", "spent"),
        ("reduce range(1e9) as $i ([1]; . + .)", "spent"),
        ("reduce range(1e9) as $i (1; [.])", "spent"),
        ("reduce range(1e9) as $i (1; {a: .})", "spent"),
        ("reduce range(1e9) as $i (1; [., .])", "spent"),
        (
            "reduce range(1e9) as $i (1; . as $p | {} | .a = $p)",
            "spent",
        ),
        ("reduce range(60) as $i (1; [., .]) | . == .", "spent"),
        ("reduce range(60) as $i (1; [., .]) | tojson", "spent"),
        ("\"x\" * 1e12", "spent"),
        ("\"x\" * 1e300", "spent"),
        ("[range(3000) | \"x\" * 1000000]", "spent"),
        (
            "def f($n): (\"x\" * 1000000) as $x | if $n == 0 then 1 else 1 + f($n - 1) end; f(10000)",
            "spent",
        ),
        ("setpath([range(100000) | \"a\"]; 1)", "spent"),
        (
            "[range(2000)] | [.[] as $a | .[] as $b | .[] as $c | 1] | length",
            "spent",
        ),
        ("[range(2000)] | [combinations(5)]", "spent"),
        (
            "(\"a\" * 100000) | [match(\"(a*)*b\"; \"g\")] | length",
            "any",
        ),
        ("\"a\" | test(\"(a{1000}){1000}\")", "failed"),
        (
            "[range(3000)] | map(tostring) | join(\",\") * 1000 | gsub(\"[0-9]\"; \"xx\")",
            "spent",
        ),
        ("try (def f: f; f) catch 1", "spent"),
        ("first(repeat(empty))", "spent"),
        ("path(repeat(.))", "many"),
        ("def f: .a |= f; {} | f", "spent"),
        (".. |= repeat(.)", "any"),
        ("[limit(1e9; repeat(\"a\"))] | length", "spent"),
        (
            "[range(100000)] | sort_by(.. | .) | unique | group_by(.)",
            "any",
        ),
        ("@json \"\\(range(1e9))\" | empty", "spent"),
        ("[foreach range(1e9) as $x (0; . + $x)]", "spent"),
        ("{} | .[range(1e9) | tostring] = 1", "spent"),
        ("[range(1e5)] | implode", "any"),
        ("[splits(\"a\")]", "any"),
        ("def f(g): f(g | g); f(.)", "spent"),
        ("def f(g): f(1 | g); f(.)", "spent"),
        ("def f(g; $x): f($x | g; 1); f(.; 1)", "spent"),
        ("reduce range(1e9) as $x (0, 0; 1)", "spent"),
        ("def f: . as $x | f; f", "spent"),
        ("def f: . as $x | label $l | f, $x; f", "spent"),
        ("1 as $x | 2 as $y | [$x, $y, (def f: [f]; f)]", "spent"),
    ] {
        // Fewer steps than there may be, for the sake of the test's time.
        let budget = Budget {
            steps: 300_000,
            ..Budget::FULL
        };
        let result = run_with(code, "null", budget);
        match (expected, &result) {
            ("many", Err(RunError::ManyResults))
            | ("spent", Err(RunError::Spent(_)))
            | ("failed", Err(RunError::Failed(_)))
            | ("any", _) => {}
            _ => panic!("{code}: {result:?}"),
        }
    }
}

#[test]
fn a_cancelled_run_ends() {
    let program = Program::compile("last(range(1e18))").unwrap();
    let cancel = Cancel::default();
    cancel.cancel();
    let budget = Budget {
        steps: u64::MAX / 2,
        ..Budget::SHORT
    };
    let ended = program.run(b"1", NONE, budget, &cancel);
    assert_eq!(ended, Err(RunError::Spent(Spent::Cancelled)));
    // The thread is as it was.
    let ended =
        Program::compile(". + 1")
            .unwrap()
            .run(b"1", NONE, Budget::SHORT, &Cancel::default());
    assert_eq!(ended.unwrap(), b"2");
}

fn json() -> impl Strategy<Value = serde_json::Value> {
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(Into::into),
        any::<i64>().prop_map(Into::into),
        any::<u64>().prop_map(Into::into),
        (-1e20..1e20_f64).prop_map(Into::into),
        "\\PC{0,8}|[\"\\\\\u{0}-\u{1f}]{1,4}".prop_map(Into::into),
    ];
    leaf.prop_recursive(4, 40, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Into::into),
            prop::collection::hash_map("[a-z\"\\\\]{0,4}", inner, 0..6)
                .prop_map(|map| serde_json::Value::Object(map.into_iter().collect())),
        ]
    })
}

proptest! {
    /// Reading and writing agree with serde_json, and what is only passed through is unchanged.
    #[test]
    fn documents_pass_through(document in json()) {
        let text = document.to_string();
        let out = run(".", &text).unwrap();
        let back: serde_json::Value = serde_json::from_str(&out).unwrap();
        let document: serde_json::Value = serde_json::from_str(&text).unwrap();
        prop_assert_eq!(back, document);
    }

    #[test]
    fn what_is_read_is_what_serde_json_reads(text in "[\\[\\]{}\",:0-9eE.+\\-ntrufalse \\\\]{0,24}") {
        let ours = run(".", &text).is_ok();
        let theirs = serde_json::from_str::<serde_json::Value>(&text);
        // A number beyond what a float holds is kept here.
        if !theirs.as_ref().is_err_and(|error| error.to_string().contains("out of range")) {
            prop_assert_eq!(ours, theirs.is_ok(), "{}", text);
        }
    }

    /// Weight, memory and order hold whatever is done to a document.
    #[test]
    fn any_expression_ends(document in json(), parts in prop::collection::vec(0_usize..EXPRESSIONS.len(), 1..6)) {
        let code: Vec<&str> = parts.into_iter().map(|at| EXPRESSIONS[at]).collect();
        let budget = Budget { steps: 100_000, ..Budget::FULL };
        if let Ok(out) = run_with(&code.join(" | "), &document.to_string(), budget) {
            prop_assert!(serde_json::from_str::<serde_json::Value>(&out).is_ok(), "{}", out);
        }
    }
}

const EXPRESSIONS: &[&str] = &[
    "[.]",
    "{a: .}",
    ". + .",
    "[.[]?]",
    "(.[]? |= [.])",
    "del(.[0]?)",
    "tojson",
    "[..]",
    "sort?",
    "[.] | flatten",
    "to_entries?",
    "(.a? //= 1)",
    "[.[]?, 1] | unique",
    "tostring | . * 2",
    "[paths]",
    "with_entries(.value |= [.])?",
    "walk([.])",
    "map(1)?",
    "[limit(3; .[]?)]",
    "(.[1:]? |= [7])",
    "[.[]?] | group_by(.)",
    "length?",
    "[.. | numbers]",
    "[.,.] | add?",
    "(.a.b? |= 3)",
    "[recurse]",
    "tojson | fromjson",
    "ascii_downcase?",
    "[.] - [1]",
    "explode?",
];
