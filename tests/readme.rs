//! Tests of the README: it is short, its program is the example, its figures are those of the record, and everything it
//! names exists.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

const RECORD: &str = "benches/record/epyc-milan-2-cores/2026-11-22";

fn file(name: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(name))
        .unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// The code blocks in one language.
fn blocks(text: &str, language: &str) -> Vec<String> {
    let begin = format!("```{language}\n");
    text.split(&begin).skip(1).map(|rest| rest.split("```").next().unwrap_or_default().to_owned()).collect()
}

/// The text with single spaces instead of line ends and indentation.
fn joined(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn it_is_read_in_two_minutes() {
    let readme = file("README.md");
    assert!(readme.lines().count() <= 120, "{} lines", readme.lines().count());
    let long: Vec<_> = readme.lines().filter(|line| line.chars().count() > 120).collect();
    assert!(long.is_empty(), "{long:?}");
}

#[test]
fn its_program_is_the_example() {
    let example = file("examples/first.rs");
    let (_, program) = example.split_once("\n\n").unwrap();
    assert_eq!(blocks(&file("README.md"), "rust"), [program]);
}

#[test]
fn what_it_names_is_there() {
    let readme = file("README.md");
    for link in readme.split("](").skip(1).map(|rest| rest.split(')').next().unwrap_or_default()) {
        assert!(Path::new(env!("CARGO_MANIFEST_DIR")).join(link).exists(), "{link}");
    }
    let prose: String = readme.split("```").step_by(2).collect();
    let named: Vec<_> = prose.split('`').skip(1).step_by(2).map(joined).collect();
    let paths = ["src/", "tests/", "benches/", "examples/", "shaders/", "ci/"];
    for path in named.iter().filter(|name| paths.iter().any(|start| name.starts_with(start))) {
        assert!(Path::new(env!("CARGO_MANIFEST_DIR")).join(path).exists(), "{path}");
    }
    let calls = file("src/plan/calls.rs");
    for function in named.iter().filter_map(|name| name.split_once('(')?.0.split_once("::").map(|(_, name)| name)) {
        assert!(["<", "("].iter().any(|next| calls.contains(&format!("pub fn {function}{next}"))), "{function}");
    }
    for arguments in named.iter().filter_map(|name| name.strip_prefix("wavemill ")) {
        holds_for_the_program(arguments);
    }
    let commands = blocks(&readme, "sh");
    assert!(commands.iter().any(|block| block.contains("cargo test")), "{commands:?}");
    for line in commands.iter().flat_map(|block| block.lines()) {
        let (cargo, arguments) = line.split_once(" -- ").map_or((line, None), |(cargo, rest)| (cargo, Some(rest)));
        holds_for_cargo(cargo);
        arguments.inspect(|arguments| holds_for_the_program(arguments));
    }
}

/// Checks that a command is `cargo run` or `cargo test` with features and targets that exist.
fn holds_for_cargo(line: &str) {
    let (manifest, words) = (file("Cargo.toml"), line.split(' ').collect::<Vec<_>>());
    assert!(matches!(words[..2], ["cargo", "run" | "test"]), "{line}");
    let mut words = words[2..].iter();
    while let Some(option) = words.next() {
        let mut is_there = |before: &str, after: &str| {
            let name = words.next().unwrap_or_else(|| panic!("{line}: {option} of what?"));
            assert!(manifest.contains(&format!("{before}{name}{after}")), "{line}: no {name}");
        };
        match *option {
            "--release" => {}
            "--features" => is_there("\n", " = ["),
            "--test" => is_there("[[test]]\nname = \"", "\"\n"),
            "--example" => drop(file(&format!("examples/{}.rs", words.next().unwrap()))),
            _ => panic!("{line}: {option} is not known to this test"),
        }
    }
}

/// Checks that a command of the program exists and has these options.
fn holds_for_the_program(arguments: &str) {
    let mut words = arguments.split(' ');
    let command = words.next().unwrap();
    let variant = command[..1].to_uppercase() + &command[1..];
    let program = file("src/cli/args.rs");
    let has = |after: &str| program.contains(&format!("\n    {variant}{after}"));
    assert!(has(",\n") || has(&format!("({variant}),\n")), "no command {command}");
    let mut known = options(&program, "Args");
    if has("(") {
        known.extend(options(&program, &variant));
        known.extend(options(&program, "Run"));
    }
    for option in words.filter_map(|word| word.strip_prefix("--")) {
        assert!(known.contains(option), "{command} has no --{option}, it has {known:?}");
    }
}

/// The long options of a structure of the command line.
fn options(program: &str, structure: &str) -> BTreeSet<String> {
    let (_, body) = program.split_once(&format!("struct {structure} {{\n")).unwrap_or_else(|| panic!("{structure}"));
    let body = joined(body.split_once("\n}").unwrap().0).replace("( ", "(");
    let fields: Vec<_> = body.split("pub(crate) ").collect();
    let option = |pair: &[&str]| {
        let attribute = pair[0].rsplit_once("#[arg(")?.1;
        let named = attribute.strip_prefix("long = \"").map(|rest| rest.split('"').next().unwrap().to_owned());
        let field = pair[1].split(':').next().unwrap().replace('_', "-");
        named.or_else(|| attribute.starts_with("long").then_some(field))
    };
    fields.windows(2).filter_map(option).collect()
}

/// The named columns of a CSV file without quotes, row by row.
fn columns<const N: usize>(name: &str, columns: [&str; N]) -> Vec<[String; N]> {
    let text = file(&format!("{RECORD}/{name}"));
    let mut lines = text.lines().map(|line| line.split(',').collect::<Vec<_>>());
    let header = lines.next().unwrap();
    let places = columns.map(|column| header.iter().position(|found| *found == column).expect(column));
    lines.map(|line| places.map(|place| line[place].to_owned())).collect()
}

/// The fastest peer's time over wavemill's in every case of the record, for each family and each part of it.
fn recorded() -> Vec<(&'static str, &'static str, Vec<f64>)> {
    let number = |text: &String| text.parse::<f64>().unwrap_or_else(|error| panic!("{text}: {error}"));
    let mut families = Vec::new();
    for (of, kind) in [("total", "total"), ("execution", "execute")] {
        let named = ["wavemill", "finufft", "ducc"].map(|program| format!("{program}_{kind}_s"));
        let rows = columns("peers.csv", named.each_ref().map(String::as_str));
        // A peer that refuses a case leaves its columns empty.
        let fastest = |[ours, peers @ ..]: &[String; 3]| {
            let ran = peers.iter().filter(|time| !time.is_empty());
            ran.map(number).reduce(f64::min).map(|time| time / number(ours))
        };
        families.push(("transforms", of, rows.iter().filter_map(fastest).collect()));
    }
    let page = file(&format!("{RECORD}/matmul.md"));
    for (of, threads) in [("1 thread", "1"), ("2 threads", "2")] {
        let rows = columns("reduce.csv", ["threads", "ratio"]);
        let ratios = rows.iter().filter(|row| row[0] == threads).map(|row| number(&row[1]));
        families.push(("reductions", of, ratios.collect()));
        let rows = page.lines().filter(|line| line.contains("**")).map(|line| line.split('|').map(str::trim));
        let rows = rows.map(Iterator::collect::<Vec<_>>).filter(|row| row[3] == threads);
        families.push(("products", of, rows.map(|row| number(&row[8].replace('*', ""))).collect()));
    }
    families
}

/// The number of ratios, their geometric mean, their minimum, and how many are below 1.
fn summed_up(ratios: &[f64]) -> (usize, f64, f64, usize) {
    let mean = (ratios.iter().map(|ratio| ratio.ln()).sum::<f64>() / ratios.len() as f64).exp();
    let worst = ratios.iter().copied().fold(f64::INFINITY, f64::min);
    (ratios.len(), mean, worst, ratios.iter().filter(|&&ratio| ratio < 1.0).count())
}

/// The summary, the plots and the README agree with the record.
#[test]
fn its_figures_are_of_the_record() {
    let (readme, summary) = (joined(&file("README.md")), file(&format!("{RECORD}/summary.csv")));
    let families = recorded();
    assert_eq!(summary.lines().count(), 1 + families.len());
    for (family, of, ratios) in families {
        let (cases, mean, worst, slower) = summed_up(&ratios);
        let row = format!("{family},{of},{cases},{mean:.2},{worst:.2},{slower}");
        assert!(summary.lines().any(|line| line == row), "{row}");

        let figures = [
            format!("{cases} cases"),
            format!("geometric mean {mean:.2}"),
            format!("worst {worst:.2}"),
            format!("{slower} slower"),
        ];
        let plot = file(&format!("{RECORD}/{family}.svg"));
        let (_, panel) = plot.split_once(&format!(">{of}</text>")).unwrap_or_else(|| panic!("{family}: {of}"));
        for (text, line) in figures.iter().zip(panel.lines().skip(1)) {
            assert!(line.ends_with(&format!(">{text}</text>")), "{family}, {of}: {line} instead of {text}");
        }
        let (_, told) = readme.split_once(&format!("{RECORD}/{family}.svg)")).unwrap_or_else(|| panic!("{family}"));
        let told = told.split("![").next().unwrap().to_lowercase();
        let sentence = format!("{of}: {}", figures.join(", "));
        assert!(told.contains(&sentence), "{family}: the README does not say: {sentence}");
    }
}

/// The README agrees with the record of the GPU's peers.
#[test]
fn its_figures_of_a_gpu_are_of_the_record() {
    let (readme, page) = (joined(&file("README.md")), file("benches/record/nvidia-h200/2026-11-26/gpu-peers.md"));
    for (family, peer) in [("nufft", "cuFINUFFT"), ("fft", "cuFFT"), ("matmul", "cuBLAS")] {
        let rows = page.lines().filter(|line| line.starts_with(&format!("| {family} ")));
        let ratio = |line: &str| line.split('|').nth(5).unwrap().trim().parse::<f64>().unwrap();
        let ratios: Vec<f64> = rows.map(ratio).collect();
        let (cases, mean, worst, slower) = summed_up(&ratios);
        let figures = format!("{cases} cases, geometric mean {mean:.2}, worst {worst:.2}, {slower} slower.");
        assert!(page.contains(&format!("{family}: {figures}")), "{family}: {figures}");
        assert!(readme.contains(&format!("Beside {peer}: {figures}")), "{peer}: {figures}");
    }
}

/// The README agrees with the records of problems that were drawn at random.
#[test]
fn its_figures_of_samples_are_of_the_records() {
    let readme = joined(&file("README.md"));
    for record in ["intel-xeon-2-cores/2026-11-27/spectral.csv", "amd-epyc-2-cores/2026-11-28/reduce-sample.csv"] {
        let table = file(&format!("benches/record/{record}"));
        let place = table.lines().next().unwrap().split(',').position(|name| name == "ratio").unwrap();
        let ratios: Vec<f64> =
            table.lines().skip(1).map(|row| row.split(',').nth(place).unwrap().parse().unwrap()).collect();
        let (cases, mean, worst, slower) = summed_up(&ratios);
        let figures = format!("{cases} cases, geometric mean {mean:.2}, worst {worst:.2}, {slower} slower");
        assert!(readme.contains(&figures), "{record}: {figures}");
    }
}

/// Every promise names tests that there are: a module of `tests/`, or of the program's tests, and a function of it.
#[test]
fn every_promise_names_its_tests() {
    let promises = file("docs/promises.md");
    let mut named = 0;
    for line in promises.lines().filter(|line| line.starts_with("| ") && !line.starts_with("| promise")) {
        let tests: Vec<&str> = line.split('|').nth(2).unwrap().split('`').filter(|text| text.contains("::")).collect();
        assert!(!tests.is_empty(), "{line}");
        for test in tests {
            let path: Vec<&str> = test.split("::").collect();
            let source = match path[..] {
                ["cli", _] => "tests/cli.rs".to_owned(),
                [folder @ ("cli" | "fuzz"), module, ..] => format!("tests/{folder}/{module}.rs"),
                [module, ..] => format!("tests/{module}.rs"),
                [] => unreachable!("a name has parts"),
            };
            let function = format!("fn {}(", path[path.len() - 1]);
            let text = file(&source);
            let before = text.split(&function).next().filter(|before| before.len() < text.len());
            let marked = before.is_some_and(|before| before.trim_end().ends_with("#[test]"));
            assert!(marked, "{source} has no test {test}");
            named += 1;
        }
    }
    assert!(named > 40, "{named} tests are named");
}
