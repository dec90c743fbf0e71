//! Holds `docs/parity.md` against the sources: every row of the inventory of go-ethereum's two
//! systems is there, and every file and test that a row names exists.

use std::collections::BTreeMap;
use std::fs;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

/// The rows of the inventory by part. The numbers have gaps.
const ROWS: [(char, &[RangeInclusive<u32>]); 5] = [
    ('A', &[1..=46]),
    (
        'B',
        &[1..=6, 10..=20, 25..=40, 45..=50, 55..=80, 85..=93, 95..=107],
    ),
    ('C', &[1..=24]),
    ('E', &[1..=16]),
    ('G', &[1..=10]),
];

/// The functions of the old state sync, and what `runStateSync` does in each case.
const OLD: [&str; 22] = [
    "`syncState`",
    "`stateFetcher`",
    "`runStateSync`",
    "`runStateSync`, case `stateSyncStart`",
    "`runStateSync`, case `deliver`",
    "`runStateSync`, case incoming pack",
    "`runStateSync`, case peer drop",
    "`runStateSync`, case timeout",
    "`runStateSync`, case `trackStateReq`",
    "`runStateSync`, case busy peer",
    "`spindownStateSync`",
    "`newStateSync`",
    "`run`",
    "`loop`",
    "`assignTasks`",
    "`fillTasks`",
    "`process`",
    "`processNodeData`",
    "`commit`",
    "`updateStats`",
    "`Cancel`",
    "`Wait`",
];

/// The functions of the snap syncer.
const NEW: [&str; 46] = [
    "`newSyncer`",
    "`Register`",
    "`Unregister`",
    "`Sync`",
    "`loadSyncStatus`",
    "`saveSyncStatus`",
    "`Progress`",
    "`cleanAccountTasks`",
    "`cleanStorageTasks`",
    "`activeSubTasks`",
    "`assignAccountTasks`",
    "`assignBytecodeTasks`",
    "`assignStorageTasks`",
    "`assignTrienodeHealTasks`",
    "`assignBytecodeHealTasks`",
    "`revertRequests`",
    "`scheduleRevertAccountRequest`",
    "`revertAccountRequest`",
    "`scheduleRevertBytecodeRequest`",
    "`revertBytecodeRequest`",
    "`scheduleRevertStorageRequest`",
    "`revertStorageRequest`",
    "`scheduleRevertTrienodeHealRequest`",
    "`revertTrienodeHealRequest`",
    "`scheduleRevertBytecodeHealRequest`",
    "`revertBytecodeHealRequest`",
    "`processAccountResponse`",
    "`processBytecodeResponse`",
    "`processStorageResponse`",
    "`processTrienodeHealResponse`",
    "`commitHealer`",
    "`processBytecodeHealResponse`",
    "`forwardAccountTask`",
    "`OnAccounts`",
    "`OnByteCodes`",
    "`onByteCodes`",
    "`OnStorage`",
    "`OnTrieNodes`",
    "`onHealByteCodes`",
    "`onHealState`",
    "`report`",
    "`reportSyncProgress`",
    "`reportHealProgress`",
    "`estimateRemainingSlots`",
    "`sortByAccountPath`",
    "`Merge`",
];

/// The functions of the scheduler, old and new.
const SCHEDULER: [&str; 25] = [
    "`NewSync`",
    "`AddSubTrie`",
    "`AddRawEntry`",
    "`AddCodeEntry`",
    "`Missing`",
    "`Process`",
    "`ProcessCode`",
    "`ProcessNode`",
    "`Commit`",
    "`MemSize`",
    "`Pending`",
    "`schedule`",
    "`scheduleNodeRequest`",
    "`scheduleCodeRequest`",
    "`children`",
    "`commitNodeRequest`",
    "`commitCodeRequest`",
    "`hasNode`",
    "`NewSyncPath`",
    "`ResolvePath`",
    "`syncMemBatch.addNode`",
    "`syncMemBatch.delNode`",
    "`syncMemBatch.addCode`",
    "`syncMemBatch.hasCode`",
    "`NewStateSync`",
];

/// Where the inventory lies, on machines that have it.
const INVENTORY: &str = "../shared/reference/geth-features.md";
/// What a cell begins with if Snaplight has no such thing.
const NOT_NEEDED: &str = "Not needed";
/// The cell of a row without a test.
const NO_TEST: &str = "—";

/// A row of the page.
struct Row {
    /// The number, or the function.
    id: String,
    /// Where Snaplight does it, or why it is not needed.
    here: String,
    /// Which tests show it.
    shown_by: String,
}

fn workspace() -> PathBuf {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/..")).to_path_buf()
}

fn read(file: &str) -> Result<String, String> {
    fs::read_to_string(workspace().join(file)).map_err(|error| format!("{file}: {error}"))
}

/// The cells of a line of a table; `None` if the line is none.
fn cells(line: &str) -> Option<Vec<&str>> {
    let inner = line.strip_prefix("| ")?.strip_suffix(" |")?;
    Some(inner.split(" | ").collect())
}

/// The rows of all tables of the page, without their heads.
fn rows() -> Result<Vec<Row>, String> {
    let page = read("docs/parity.md")?;
    let mut rows = Vec::new();
    for line in page.lines() {
        let Some(cells) = cells(line) else { continue };
        match cells[..] {
            [_, "there", "here", "shown by"] => {}
            [id, _, here, shown_by] => rows.push(Row {
                id: id.to_owned(),
                here: here.to_owned(),
                shown_by: shown_by.to_owned(),
            }),
            _ => return Err(format!("a row needs four cells: {line}")),
        }
    }
    Ok(rows)
}

/// The numbers of the inventory's rows.
fn numbers() -> Vec<String> {
    let parts = ROWS.iter().flat_map(|(part, ranges)| {
        let numbers = ranges.iter().cloned().flatten();
        numbers.map(move |number| format!("{part}{number}"))
    });
    parts.collect()
}

/// The numbers of the rows in the parts that the page is about, as the inventory itself has them.
fn numbers_of(inventory: &str) -> Vec<String> {
    let ids = inventory.lines().filter_map(|line| {
        let (id, _) = line.strip_prefix("| ")?.split_once(" | ")?;
        let (part, number) = id.split_at_checked(1)?;
        let is_ours = ROWS.iter().any(|(ours, _)| part.starts_with(*ours));
        (is_ours && number.parse::<u32>().is_ok()).then(|| id.to_owned())
    });
    ids.collect()
}

#[test]
fn each_row_and_each_function_is_on_the_page_once() -> Result<(), String> {
    let functions = OLD.iter().chain(&NEW).chain(&SCHEDULER);
    let mut expected = numbers();
    if let Ok(inventory) = fs::read_to_string(workspace().join(INVENTORY)) {
        assert_eq!(numbers_of(&inventory), expected, "rows of the inventory");
    }
    expected.extend(functions.map(|function| (*function).to_owned()));
    let found: Vec<String> = rows()?.into_iter().map(|row| row.id).collect();
    assert_eq!(found, expected);
    Ok(())
}

#[test]
fn each_file_and_each_test_that_the_page_names_exists() -> Result<(), String> {
    let mut files = Files::default();
    let mut faults = Vec::new();
    for row in rows()? {
        let checked = files
            .check_place(&row)
            .and_then(|()| files.check_tests(&row));
        faults.extend(checked.err().map(|fault| format!("{}: {fault}", row.id)));
    }
    assert!(faults.is_empty(), "\n{}\n", faults.join("\n"));
    Ok(())
}

#[test]
fn nothing_on_the_page_is_left_to_do() -> Result<(), String> {
    let page = read("docs/parity.md")?;
    let marked: Vec<&str> = page.lines().filter(|line| line.contains("TODO")).collect();
    assert!(marked.is_empty(), "\n{}\n", marked.join("\n"));
    Ok(())
}

/// The files that the page names, each read once.
#[derive(Default)]
struct Files(BTreeMap<String, String>);

impl Files {
    fn content(&mut self, file: &str) -> Result<&str, String> {
        if !self.0.contains_key(file) {
            self.0.insert(file.to_owned(), read(file)?);
        }
        Ok(self.0.get(file).map_or("", String::as_str))
    }

    /// Checks the cell that says where Snaplight does it: its files exist, and what else stands in
    /// code marks is a word of one of them.
    fn check_place(&mut self, row: &Row) -> Result<(), String> {
        let (files, words): (Vec<&str>, Vec<&str>) = marked(&row.here)
            .into_iter()
            .partition(|text| is_file(text));
        let mut contents = String::new();
        for file in &files {
            contents.push_str(self.content(file)?);
        }
        if files.is_empty() && !row.here.starts_with(NOT_NEEDED) {
            return Err("it names no file, and does not say that it is not needed".to_owned());
        }
        for word in words {
            let name = word.rsplit("::").next().unwrap_or(word);
            let name = name.trim_end_matches("()");
            if !has_word(&contents, name) {
                return Err(format!("no file beside it has `{word}`"));
            }
        }
        Ok(())
    }

    /// Checks the cell that names tests: files, each followed by the tests in it.
    fn check_tests(&mut self, row: &Row) -> Result<(), String> {
        if row.shown_by == NO_TEST {
            return match row.here.starts_with(NOT_NEEDED) {
                true => Ok(()),
                false => Err("it is needed, and no test shows it".to_owned()),
            };
        }
        let mut file = None;
        let mut tests = 0;
        for text in marked(&row.shown_by) {
            if is_file(text) {
                self.content(text)?;
                file = Some(text);
                continue;
            }
            let file = file.ok_or_else(|| format!("`{text}` stands behind no file"))?;
            if !has_test(self.content(file)?, file, text) {
                return Err(format!("{file} has no test `{text}` that always runs"));
            }
            tests += 1;
        }
        match tests > 0 {
            true => Ok(()),
            false => Err("it names no test".to_owned()),
        }
    }
}

/// What stands in code marks, in order.
fn marked(cell: &str) -> Vec<&str> {
    cell.split('`').skip(1).step_by(2).collect()
}

/// Whether a text in code marks is meant as a file.
fn is_file(text: &str) -> bool {
    let endings = [".rs", ".mjs", ".js", ".ts", ".go"];
    text.contains('/') && endings.iter().any(|ending| text.ends_with(ending))
}

/// Whether a text has this word, and not only as a part of another one.
fn has_word(text: &str, word: &str) -> bool {
    let is_part = |letter: char| letter.is_alphanumeric() || letter == '_';
    text.match_indices(word).any(|(start, _)| {
        let before = text.get(..start).and_then(|text| text.chars().next_back());
        let after = text
            .get(start + word.len()..)
            .and_then(|text| text.chars().next());
        !before.is_some_and(is_part) && !after.is_some_and(is_part)
    })
}

/// Whether a file has a test of this name, or of this title in JavaScript, that is not ignored.
fn has_test(content: &str, file: &str, name: &str) -> bool {
    if file.ends_with(".rs") {
        let lines: Vec<&str> = content.lines().map(str::trim_start).collect();
        let opening = format!("fn {name}(");
        return lines.iter().enumerate().any(|(at, line)| {
            let above = lines.iter().take(at).rev();
            let attributes: Vec<_> = above.take_while(|line| line.starts_with("#[")).collect();
            let is_test = |line: &&&str| line.contains("test]") || line.contains("test(");
            let is_ignored = |line: &&&str| line.starts_with("#[ignore");
            line.trim_start_matches("async ").starts_with(&opening)
                && attributes.iter().any(is_test)
                && !attributes.iter().any(is_ignored)
        });
    }
    if file.ends_with(".go") {
        return content.contains(&format!("\nfunc {name}(t *testing.T)"));
    }
    let quotes = ['\'', '"', '`'];
    let mut openings = quotes
        .iter()
        .map(|quote| format!("test({quote}{name}{quote}"));
    openings.any(|opening| content.contains(&opening))
}

#[test]
fn a_test_is_found_by_its_name_and_only_if_it_always_runs() {
    let rust = "    #[test]\n    #[ignore = \"long\"]\n    fn long() {}\n#[test]\nfn short() {}\nfn helper() {}";
    let has = |name| has_test(rust, "a/b.rs", name);
    assert_eq!(
        [has("short"), has("long"), has("helper"), has("shor")],
        [true, false, false, false]
    );
    let script = "test('it’s so', () => {})\n  test(`${what}: again`, () => {})";
    let has = |name| has_test(script, "a/b.test.mjs", name);
    assert_eq!(
        [has("it’s so"), has("${what}: again"), has("it")],
        [true, true, false]
    );
    assert!(has_word("a.cut_complete(held)", "cut_complete"));
    assert!(!has_word("a.cut_complete(held)", "cut"));
}
