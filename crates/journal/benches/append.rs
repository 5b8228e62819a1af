//! What it costs to append a record of a usage event's size, and to read it back.

use apiverse_journal::{Batch, Options, Reader, Writer, open};
use divan::{Bencher, black_box};

const RECORD: usize = 170;
const APPENDS: u32 = 1000;

fn main() {
    divan::main();
}

fn journal() -> (tempfile::TempDir, Writer, Reader) {
    let folder = tempfile::tempdir().expect("a folder");
    let (journal, reader) = open(Options::new(folder.path().to_owned())).expect("a journal");
    (folder, journal.writer(), reader)
}

/// The files that fill up are acknowledged now and then, as they are in use.
#[divan::bench(items_count = APPENDS, sample_count = 1000)]
fn append(bencher: Bencher<'_, '_>) {
    let (_folder, mut writer, mut reader) = journal();
    let mut batch = Batch::default();
    let record = [7; RECORD];
    let mut round = 0;
    bencher
        .with_inputs(|| {
            round += 1;
            if round % 20 == 0 {
                loop {
                    reader.fill(&mut batch, 8192);
                    let marks = batch.marks().to_vec();
                    reader.acknowledge(&marks);
                    if batch.is_empty() {
                        break;
                    }
                }
            }
        })
        .bench_local_values(|()| {
            for _ in 0..APPENDS {
                writer.append(RECORD, |bytes| bytes.copy_from_slice(black_box(&record)));
            }
        });
}

#[divan::bench(items_count = APPENDS, sample_count = 1000)]
fn read(bencher: Bencher<'_, '_>) {
    let (_folder, mut writer, mut reader) = journal();
    let mut batch = Batch::default();
    for _ in 0..APPENDS {
        writer.append(RECORD, |bytes| bytes.fill(7));
    }
    bencher.bench_local(|| {
        // What is not acknowledged comes again.
        reader.fill(&mut batch, APPENDS as usize);
        batch
            .records()
            .map(|record| u64::from(record[0]))
            .sum::<u64>()
    });
}
