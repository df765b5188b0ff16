//! The README is short, its program is the example, its figures are the record's, and what it names is there.

use std::fs;
use std::path::Path;

fn file(name: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(name))
        .unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// The blocks of one language.
fn blocks(text: &str, language: &str) -> Vec<String> {
    let begin = format!("```{language}\n");
    text.split(&begin).skip(1).map(|rest| rest.split("```").next().unwrap_or_default().to_owned()).collect()
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
    let named = readme.split('`').skip(1).step_by(2);
    let paths = ["src/", "tests/", "benches/", "examples/", "shaders/", "ci/"];
    for path in named.filter(|name| paths.iter().any(|start| name.starts_with(start))) {
        assert!(Path::new(env!("CARGO_MANIFEST_DIR")).join(path).exists(), "{path}");
    }
    let (commands, program) = (blocks(&readme, "sh"), file("src/cli/args.rs"));
    assert!(commands.iter().any(|block| block.contains("cargo test")), "{commands:?}");
    for line in commands.iter().flat_map(|block| block.lines()) {
        if let Some((_, arguments)) = line.split_once(" -- ") {
            let command = arguments.split(' ').next().unwrap();
            let variant = command[..1].to_uppercase() + &command[1..];
            assert!(program.contains(&format!("{variant}({variant})")), "{command}");
            for option in arguments.split(' ').filter_map(|word| word.strip_prefix("--")) {
                assert!(program.contains(&format!("{}: ", option.replace('-', "_"))), "--{option}");
            }
        } else if let Some((_, example)) = line.split_once("--example ") {
            file(&format!("examples/{example}.rs"));
        } else {
            assert!(line.starts_with("cargo test"), "{line}");
        }
    }
}

/// The figures on the plots are those of the cases: a summary that was made of other records would show.
#[test]
fn its_plots_are_of_the_record() {
    let record = "benches/record/epyc-milan-2-cores/2026-11-22";
    let summary = file(&format!("{record}/summary.csv"));
    assert_eq!(summary.lines().count(), 1 + 3 * 2);
    for line in summary.lines().skip(1) {
        let [family, of, cases, mean, worst, slower] = line.split(',').collect::<Vec<_>>()[..] else {
            panic!("{line}")
        };
        let plot = file(&format!("{record}/{family}.svg"));
        assert!(file("README.md").contains(&format!("{record}/{family}.svg")), "{family}");
        for text in [of.to_owned(), format!("{cases} cases"), format!("mean {mean}"), format!("worst {worst}")] {
            assert!(plot.contains(&format!(">{text}</text>")), "{family}: {text}");
        }
        assert!(plot.contains(&format!(">{slower} slower</text>")), "{family}: {slower} slower");
    }
    let reductions: Vec<f64> = file(&format!("{record}/reduce.csv"))
        .lines()
        .skip(1)
        .map(|line| line.split(',').collect::<Vec<_>>())
        .filter(|row| row[1] == "1")
        .map(|row| row[7].parse().unwrap())
        .collect();
    let mean = (reductions.iter().map(|ratio| ratio.ln()).sum::<f64>() / reductions.len() as f64).exp();
    let slower = reductions.iter().filter(|&&ratio| ratio < 1.0).count();
    let expected = format!("reductions,1 thread,{},{mean:.2}", reductions.len());
    assert!(
        summary.lines().any(|line| line.starts_with(&expected) && line.ends_with(&format!(",{slower}"))),
        "{expected}"
    );
}
