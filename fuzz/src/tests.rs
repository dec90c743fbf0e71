use std::fs;
use std::path::Path;

use super::TARGETS;

#[test]
fn the_corpus_of_each_target_shows_no_fault() {
    for target in TARGETS {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("corpus")
            .join(target.name);
        let files = fs::read_dir(&folder).expect("each target has a corpus");
        let mut count = 0;
        for file in files {
            let file = file.expect("a file of the corpus").path();
            // Shown only if the input below panics.
            println!("{}", file.display());
            target.run(&fs::read(&file).expect("a file that can be read"));
            count += 1;
        }
        assert!(count > 0, "{} is empty", folder.display());
    }
}

#[test]
fn inputs_of_every_length_up_to_a_hundred_show_no_fault() {
    for target in TARGETS {
        for length in 0..100u8 {
            for byte in [0, 1, 0x7f, 0x80, 0xff] {
                target.run(&vec![byte; usize::from(length)]);
            }
            target.run(&(0..length).collect::<Vec<u8>>());
        }
    }
}
