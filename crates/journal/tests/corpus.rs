//! What the fuzzer (`fuzz/`) has kept, once more.

mod checks;

use std::path::Path;

fn each(target: &str, check: fn(&[u8])) {
    // Tests run in their package's folder. The compiler's word for it would be that of the checkout
    // it built in, which a shared target folder outlives.
    let folder = Path::new("../../fuzz/corpus").join(target);
    let mut count = 0;
    for entry in std::fs::read_dir(&folder).unwrap() {
        check(&std::fs::read(entry.unwrap().path()).unwrap());
        count += 1;
    }
    assert!(count > 0, "no corpus in {}", folder.display());
}

#[test]
fn what_the_fuzzer_kept_still_holds() {
    each("journal", checks::journal);
}
