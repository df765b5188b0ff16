//! Tests of the Lomb-Scargle periodogram against astropy's answers for every combination of options, and against
//! 60-digit arithmetic where the model is nearly singular. `tests/data/lomb_scargle.py` writes the answers.

use std::f64::consts::TAU;

use wavemill::spectral::{
    AutoFrequency, FalseAlarm, Frequencies, LombScargle, LombScargleBuilder, Normalization, Waves,
};
use wavemill::{Cpu, Device, Error};

use crate::common::Random;

const ANSWERS: &str = include_str!("data/lomb_scargle.txt");

type Builder<'a> = LombScargleBuilder<&'a Vec<f64>, &'a Vec<f64>>;

#[derive(Default)]
struct Series {
    times: Vec<f64>,
    values: Vec<f64>,
    errors: Vec<f64>,
}

fn cpu() -> Device {
    Device::from(Cpu::new())
}

fn number(word: &str) -> f64 {
    word.parse().unwrap_or_else(|_| panic!("{word} is no number"))
}

fn numbers(words: &[&str]) -> Vec<f64> {
    words.iter().map(|word| number(word)).collect()
}

impl Series {
    fn builder(&self, errors: &str) -> Builder<'_> {
        let builder = LombScargle::builder(&self.times, &self.values);
        match errors {
            "one" => builder.error(0.25),
            "each" => builder.errors(&self.errors),
            _ => builder,
        }
    }
}

fn normalization(name: &str) -> Normalization {
    Normalization::EVERY.into_iter().find(|found| found.to_string() == name).unwrap()
}

fn method(name: &str) -> FalseAlarm {
    match name {
        "baluev" => FalseAlarm::Baluev,
        "davies" => FalseAlarm::Davies,
        _ => FalseAlarm::Naive,
    }
}

/// The given error relative to `expected`, in units of a tolerance that is relative but for numbers near 0.
fn off(got: f64, expected: f64, relative: f64, absolute: f64) -> f64 {
    (got - expected).abs() / (relative * expected.abs() + absolute)
}

#[test]
fn every_option_answers_as_astropy() {
    let (mut series, mut grid, mut compared, mut worst) = (Series::default(), Vec::new(), 0, [0.0f64; 6]);
    for line in ANSWERS.lines() {
        let words: Vec<&str> = line.split(' ').collect();
        let flag = |word: &str| word == "1";
        let mut check = |kind: usize, units: f64| {
            assert!(units <= 1.0, "{units} times the tolerance: {line}");
            worst[kind] = worst[kind].max(units);
            compared += 1;
        };
        match words[0] {
            "series" => series = Series::default(),
            "times" => series.times = numbers(&words[1..]),
            "values" => series.values = numbers(&words[1..]),
            "errors" => series.errors = numbers(&words[1..]),
            "grid" => grid = words[1..].to_vec(),
            "power" => {
                let builder = series.builder(words[1]).fit_mean(flag(words[2])).centre(flag(words[3]));
                let builder = builder.terms(words[4].parse().unwrap()).normalization(normalization(words[5]));
                let search = builder.build(&cpu()).unwrap();
                let (first, step) = (number(grid[0]), number(grid[1]));
                let indices: Vec<usize> = grid[2..].iter().map(|index| index.parse().unwrap()).collect();
                // By the transform of evenly spaced frequencies, by one of any frequencies, and term by term.
                let regular = search.power(&Frequencies::regular(first, step, 2000).unwrap()).unwrap();
                let at: Vec<f64> = indices.iter().map(|&index| first + step * index as f64).collect();
                let among: Vec<f64> =
                    at.iter().copied().chain((0..1000).map(|k| first + step * f64::from(k))).collect();
                let any = search.power(&Frequencies::any(among).unwrap()).unwrap();
                let few = search.power(&Frequencies::any(at).unwrap()).unwrap();
                for (place, (index, word)) in indices.iter().zip(&words[6..]).enumerate() {
                    if *word != "-" {
                        let got = [regular[*index], any[place], few[place]];
                        got.iter().for_each(|&got| check(0, off(got, number(word), 1e-10, 1e-13)));
                    }
                }
            }
            "exact" => {
                let builder = series.builder(words[1]).fit_mean(flag(words[2])).terms(words[3].parse().unwrap());
                let search = builder.build(&cpu()).unwrap();
                let power = search.power(&Frequencies::any([number(words[4])]).unwrap()).unwrap()[0];
                // Of some column of three terms at 0.04/T, 1e-7 is perpendicular to the others.
                check(1, off(power, number(words[5]), if words[3] == "1" { 1e-10 } else { 1e-7 }, 1e-14));
            }
            "fit" => {
                let builder = series.builder(words[1]).fit_mean(flag(words[2])).centre(flag(words[3]));
                let search = builder.terms(words[4].parse().unwrap()).build(&cpu()).unwrap();
                let bar = words.iter().position(|word| *word == "|").unwrap();
                let found = search.coefficients(number(words[5])).unwrap();
                found.iter().zip(&words[6..bar]).for_each(|(&got, word)| check(2, off(got, number(word), 1e-9, 1e-11)));
                let model = search.model(&[0.25, 3.5, 17.0], number(words[5])).unwrap();
                model
                    .iter()
                    .zip(&words[bar + 1..])
                    .for_each(|(&got, word)| check(3, off(got, number(word), 1e-9, 1e-11)));
                let columns = search.design_matrix(&series.times, number(words[5])).unwrap();
                let again = columns.dot(&found) + search.offset();
                let model = search.model(&series.times, number(words[5])).unwrap();
                assert!((again - model).iter().all(|off| off.abs() < 1e-12));
            }
            "auto" => {
                let given = |word: &str| word.trim_end_matches(':').parse::<f64>().ok();
                let options = AutoFrequency {
                    samples_per_peak: number(words[1]),
                    nyquist_factor: number(words[2]),
                    minimum: given(words[3]),
                    maximum: given(words[4]),
                };
                let search = series.builder("none").build(&cpu()).unwrap();
                let found = search.autofrequency(&options).unwrap();
                assert_eq!(found.len(), words[7].parse::<usize>().unwrap(), "{line}");
                check(4, off(found.get(0), number(words[5]), 1e-14, 0.0));
                check(4, off(found.get(found.len() - 1), number(words[6]), 1e-13, 0.0));
            }
            "alarm" | "level" => {
                let builder = series.builder(words[1]).normalization(normalization(words[2]));
                let search = builder.build(&cpu()).unwrap();
                let (method, highest, given) = (method(words[3]), number(words[4]), number(words[5]));
                let got = if words[0] == "alarm" {
                    search.false_alarm(method, given, highest)
                } else {
                    search.false_alarm_level(method, given, highest)
                };
                // Levels are found by astropy's solver to some 8 digits.
                check(5, off(got.unwrap(), number(words[6]), if words[0] == "alarm" { 1e-10 } else { 1e-6 }, 1e-300));
            }
            other => panic!("{other}"),
        }
    }
    println!("{compared} numbers compared; worst in units of the tolerance: {worst:.3?}");
    assert!(compared > 30_000, "{compared}");
}

/// A wave with noise at uneven times.
fn noisy(samples: usize, span: f64, seed: u64) -> Series {
    let mut random = Random::new(seed);
    let times: Vec<f64> = (0..samples).map(|_| random.between(0.0, span)).collect();
    let values = times.iter().map(|time| (TAU * 0.317 * time + 1.0).sin() + normal(&mut random)).collect();
    let errors = times.iter().map(|_| random.between(0.5, 2.0)).collect();
    Series { times, values, errors }
}

fn normal(random: &mut Random) -> f64 {
    (-2.0 * (1.0 - random.unit()).ln()).sqrt() * (TAU * random.unit()).cos()
}

fn most_off(a: &ndarray::Array1<f64>, b: &ndarray::Array1<f64>) -> f64 {
    assert_eq!(a.len(), b.len());
    a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max)
}

#[test]
fn every_device_and_way_of_summing_agrees() {
    let series = noisy(3000, 400.0, 1);
    for terms in [1, 3] {
        let build = |device: &Device| series.builder("each").terms(terms).build(device).unwrap();
        let search = build(&cpu());
        let grid = search.autofrequency(&AutoFrequency::default()).unwrap();
        let power = search.power(&grid).unwrap();
        let few: Vec<usize> = (0..9).map(|k| k * (grid.len() - 1) / 8).collect();
        let direct = search.power(&Frequencies::any(few.iter().map(|&k| grid.get(k)).collect::<Vec<_>>()).unwrap());
        for (index, direct) in few.iter().zip(direct.unwrap()) {
            assert!((power[*index] - direct).abs() < 1e-12, "{} {direct}", power[*index]);
        }
        crate::common::on_every_device(|device| {
            if let Ok(again) = build(device).power(&grid) {
                assert!(most_off(&again, &power) < 1e-12, "{}", device.name());
            } else {
                assert!(device.kind() != wavemill::Kind::Cpu, "{}", device.name());
            }
        });
        let alone = build(&Device::from(Cpu::with_threads(1).unwrap())).power(&grid).unwrap();
        assert!(alone == power, "threads show");
    }
}

#[test]
fn more_frequencies_than_one_block_and_any_origin_and_scale() {
    let mut series = noisy(40, 100.0, 2);
    let grid = Frequencies::regular(0.01, 1e-4, (1 << 21) + 1000).unwrap();
    let power = series.builder("each").build(&cpu()).unwrap().power(&grid).unwrap();
    let some = [0, 1, 5000, (1 << 21) - 1, 1 << 21, (1 << 21) + 999];
    let at = |scale: f64| some.iter().map(|&index| scale * grid.get(index)).collect::<Vec<_>>();
    let direct = |series: &Series, at: Vec<f64>| {
        series.builder("each").build(&cpu()).unwrap().power(&Frequencies::any(at).unwrap()).unwrap()
    };
    let expected = direct(&series, at(1.0));
    for (&index, expected) in some.iter().zip(&expected) {
        assert!((power[index] - expected).abs() < 1e-11, "{index}: {} {expected}", power[index]);
    }
    // Days since 4713 BC, in steps that an f64 holds there; values so large that their squares overflow; other units.
    series.times.iter_mut().for_each(|time| *time = (*time * 1024.0).round() / 1024.0);
    let expected = direct(&series, at(1.0));
    for (origin, scale, unit) in [(2_460_000.0, 1.0, 1.0), (0.0, 1e250, 1.0), (0.0, 1e-250, 1.0), (-50.0, -3.0, 1e-9)] {
        let moved = Series {
            times: series.times.iter().map(|time| (time + origin) * unit).collect(),
            values: series.values.iter().map(|value| (value + 7.0) * scale).collect(),
            errors: series.errors.iter().map(|error| error * 1e100).collect(),
        };
        let found = direct(&moved, at(1.0 / unit));
        assert!(most_off(&found, &expected) < 1e-9, "{origin} {scale} {unit}: {}", most_off(&found, &expected));
    }
}

#[test]
fn the_window_is_the_transform_of_the_weights() {
    let series = noisy(300, 50.0, 3);
    let search = series.builder("each").build(&cpu()).unwrap();
    let grid = Frequencies::regular(0.0, 0.003, 4000).unwrap();
    let window = search.window(&grid).unwrap();
    assert!(most_off(&search.plan(&grid).unwrap().window().unwrap(), &window) < 1e-12);
    let weight: Vec<f64> = series.errors.iter().map(|error| error.powi(-2)).collect();
    for index in [0, 1, 17, 999, 3999] {
        let sum = |part: fn(f64) -> f64| -> f64 {
            series.times.iter().zip(&weight).map(|(t, w)| w * part(TAU * grid.get(index) * t)).sum::<f64>()
                / weight.iter().sum::<f64>()
        };
        let expected = sum(f64::cos).powi(2) + sum(f64::sin).powi(2);
        assert!((window[index] - expected).abs() < 1e-11, "{index} {} {expected}", window[index]);
    }
}

#[test]
fn a_wave_without_noise_is_found_to_all_digits() {
    // Two pieces with a gap, whose side lobes are high.
    let times: Vec<f64> = (0..200).map(|j| f64::from(j % 100) * 20.0 / 99.0 + f64::from(j / 100) * 80.0).collect();
    let values: Vec<f64> = times.iter().map(|time| (TAU * 0.2 * time + 0.3).sin()).collect();
    let search = LombScargle::builder(&times, &values).build(&cpu()).unwrap();
    let grid = search.autofrequency(&AutoFrequency { nyquist_factor: 1.0, ..AutoFrequency::default() }).unwrap();
    let power = search.power(&grid).unwrap();
    let peaks = search.peaks(&grid, &power, 3).unwrap();
    assert!((peaks[0].wave.frequency.value - 0.2).abs() < 1e-12 && peaks[0].power > 1.0 - 1e-12, "{peaks:?}");
    assert!(peaks[0].wave.frequency.error < 1e-9 && peaks[1].power < 0.95, "{peaks:?}");
    let term = peaks[0].wave.terms[0];
    assert!((term.amplitude.value - 1.0).abs() < 1e-10, "{term:?}");
    // sin(x + 0.3) at the epoch is cos(-2π phase) there.
    let at_epoch = (TAU * 0.2 * peaks[0].wave.epoch + 0.3).sin();
    assert!(((TAU * term.phase.value).cos() - at_epoch).abs() < 1e-9, "{term:?} {at_epoch}");
    // With the model subtracted nothing is left.
    let fit = Waves::fit(&times, &values, None, &[0.2001], 1, 0).unwrap();
    assert!(fit.left < 1e-20 && fit.residuals.iter().all(|rest| rest.abs() < 1e-9), "{}", fit.left);
}

#[test]
fn standard_deviations_are_those_of_repeated_measurements() {
    // 300 series of the same waves with other noise: the spread of results in units of the deviations given is 1.
    let (frequencies, amplitudes) = ([0.317, 1.21], [1.5, 0.9]);
    for known in [false, true] {
        let mut sums = [0.0; 4];
        let mut random = Random::new(5);
        for _ in 0..300 {
            let times: Vec<f64> = (0..120).map(|_| random.between(-20.0, 30.0)).collect();
            let errors: Vec<f64> = times.iter().map(|_| if known { random.between(0.2, 0.9) } else { 0.5 }).collect();
            let value = |time: f64| -> f64 {
                3.0 + 0.02 * time + (0..2).map(|k| amplitudes[k] * (TAU * frequencies[k] * time).cos()).sum::<f64>()
            };
            let values = times.iter().zip(&errors).map(|(&time, error)| value(time) + error * normal(&mut random));
            let values: Vec<f64> = values.collect();
            let given = known.then_some(errors.as_slice());
            let fit = Waves::fit(&times, &values, given, &[0.315, 1.213], 1, 1).unwrap();
            for (k, wave) in fit.waves.iter().enumerate() {
                let (frequency, amplitude) = (wave.frequency, wave.terms[0].amplitude);
                sums[2 * k] += ((frequency.value - frequencies[k]) / frequency.error).powi(2) / 300.0;
                sums[2 * k + 1] += ((amplitude.value - amplitudes[k]) / amplitude.error).powi(2) / 300.0;
            }
        }
        // The deviation of a mean of 300 squares is 0.08.
        assert!(sums.iter().all(|sum| (sum - 1.0).abs() < 0.3), "{known} {sums:?}");
    }
}

#[test]
fn noise_has_no_significant_peak_and_probabilities_are_kept() {
    // Of 300 series of noise, about a tenth exceed the level of the probability 0.1; Baluev's bound is above it.
    let mut exceeded = [0; 3];
    for seed in 0..300 {
        let mut random = Random::new(1000 + seed);
        let times: Vec<f64> = (0..80).map(|_| random.between(0.0, 40.0)).collect();
        let values: Vec<f64> = times.iter().map(|_| normal(&mut random)).collect();
        let search = LombScargle::builder(&times, &values).build(&cpu()).unwrap();
        let grid = search.autofrequency(&AutoFrequency { maximum: Some(1.0), ..AutoFrequency::default() }).unwrap();
        let power = search.power(&grid).unwrap();
        let highest = search.peaks(&grid, &power, 1).unwrap()[0].power;
        for (count, method) in exceeded.iter_mut().zip([FalseAlarm::Baluev, FalseAlarm::Davies, FalseAlarm::Naive]) {
            *count += i32::from(highest > search.false_alarm_level(method, 0.1, 1.0).unwrap());
        }
        if seed < 3 {
            let drawn = search.bootstrap(&grid, 200, 9).unwrap();
            assert!(
                drawn == search.bootstrap(&grid, 200, 9).unwrap() && drawn != search.bootstrap(&grid, 200, 8).unwrap()
            );
            let level = search.false_alarm_level(FalseAlarm::Baluev, 0.1, 1.0).unwrap();
            let above = drawn.iter().filter(|power| **power > level).count();
            assert!((2..=50).contains(&above), "{above} of 200 drawn exceed the level of 0.1");
        }
    }
    assert!((10..=45).contains(&exceeded[0]) && exceeded[1] <= exceeded[0] + 5, "{exceeded:?}");
}

#[test]
fn what_cannot_be_used_is_refused_and_what_is_odd_is_right() {
    let good = noisy(30, 10.0, 4);
    let build = |times: &Vec<f64>, values: &Vec<f64>| LombScargle::builder(times, values).build(&cpu());
    let with = |index: usize, value: f64, numbers: &[f64]| {
        let mut numbers = numbers.to_vec();
        numbers[index] = value;
        numbers
    };
    let refused = |found: wavemill::Result<LombScargle>, part: &str| {
        let message = found.expect_err(part).to_string();
        assert!(message.contains(part), "{message}");
    };
    refused(build(&with(3, f64::NAN, &good.times), &good.values), "index 3");
    refused(build(&good.times, &with(7, f64::INFINITY, &good.values)), "index 7");
    refused(build(&good.times, &vec![1.0; 29]), "one for each time");
    refused(build(&vec![], &vec![]), "at least one value");
    refused(build(&good.times, &vec![1e10 + 0.1; 30]), "vary");
    refused(build(&vec![1.0], &vec![2.0]), "vary");
    for error in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        refused(LombScargle::builder(&good.times, &good.values).error(error).build(&cpu()), "error");
        let errors = with(5, error, &good.errors);
        refused(LombScargle::builder(&good.times, &good.values).errors(&errors).build(&cpu()), "index 5");
    }
    for terms in [0, 11] {
        refused(LombScargle::builder(&good.times, &good.values).terms(terms).build(&cpu()), "1 to 10");
    }
    let search = good.builder("none").build(&cpu()).unwrap();
    assert!(Frequencies::regular(0.0, 0.0, 5).is_err() && Frequencies::any([1.0, f64::NAN]).is_err());
    assert!(search.power(&Frequencies::any([]).unwrap()).unwrap().is_empty());
    for highest in [0.0, -1.0, f64::NAN] {
        assert!(matches!(search.false_alarm_probability(0.5, highest), Err(Error::Parameter { .. })));
    }
    assert!(good.builder("none").terms(2).build(&cpu()).unwrap().false_alarm_probability(0.5, 1.0).is_err());
    // At frequency 0 a model with a mean explains nothing more; negative frequencies are the positive ones.
    let power = search.power(&Frequencies::any([0.0, 0.4, -0.4]).unwrap()).unwrap();
    assert!(power[0].abs() < 1e-25 && (power[1] - power[2]).abs() < 1e-14 && power[1] > 0.0, "{power}");
    // All values at one time: any wave explains what their mean does, and no frequencies can be chosen.
    let search = build(&vec![2.0; 4], &vec![1.0, 2.0, 4.0, 3.0]).unwrap();
    assert!(search.autofrequency(&AutoFrequency::default()).is_err());
    assert!(search.power(&Frequencies::any([0.3]).unwrap()).unwrap()[0] < 1e-25);
    // Three values: three coefficients explain all of them, and no probability can be given.
    let search = build(&vec![0.0, 1.1, 2.3], &vec![1.0, 5.0, 2.0]).unwrap();
    let power = search.power(&Frequencies::any([0.2, 0.7]).unwrap()).unwrap();
    assert!(power.iter().all(|power| (power - 1.0).abs() < 1e-12), "{power}");
    assert!(search.false_alarm_probability(1.0, 1.0).is_err());
    // f32 data, and arrays with a stride.
    let wide: ndarray::Array2<f32> =
        ndarray::Array2::from_shape_fn(
            (30, 2),
            |(j, k)| {
                if k == 0 { good.times[j] as f32 } else { good.values[j] as f32 }
            },
        );
    let single = LombScargle::builder(wide.column(0), wide.column(1)).build(&cpu()).unwrap();
    let grid = Frequencies::regular(0.1, 0.1, 20).unwrap();
    let double = good.builder("none").build(&cpu()).unwrap().power(&grid).unwrap();
    assert!(most_off(&single.power(&grid).unwrap(), &double) < 1e-4);
}

#[test]
fn many_series_are_each_of_them() {
    let series = noisy(200, 60.0, 6);
    let mut random = Random::new(7);
    // [2, 5] series, two of them with the same gaps, one with others, one constant, one without any value.
    let mut values = ndarray::Array3::from_shape_simple_fn((2, 5, 200), || normal(&mut random));
    for (row, place) in [((0, 1), 17), ((0, 1), 33), ((1, 4), 17), ((1, 4), 33), ((1, 0), 199)] {
        values[[row.0, row.1, place]] = f64::NAN;
    }
    values.slice_mut(ndarray::s![1, 1, ..]).fill(4.25);
    values.slice_mut(ndarray::s![1, 2, ..]).fill(f64::NAN);
    for (errors, terms, count) in [("each", 1, 3000), ("none", 2, 3000), ("each", 1, 20)] {
        let grid = Frequencies::regular(0.02, 0.004, count).unwrap();
        let search = series.builder(errors).terms(terms).build(&cpu()).unwrap();
        let plan = search.plan(&grid).unwrap();
        let powers = plan.power(&values).unwrap();
        assert_eq!(powers.shape(), [2, 5, count]);
        let mut light_curves = Vec::new();
        for (row, powers) in values.lanes(ndarray::Axis(2)).into_iter().zip(powers.lanes(ndarray::Axis(2))) {
            let kept: Vec<usize> = (0..200).filter(|&place| !row[place].is_nan()).collect();
            let of = |numbers: &[f64]| kept.iter().map(|&place| numbers[place]).collect::<Vec<_>>();
            let alone = Series { times: of(&series.times), values: of(&row.to_vec()), errors: of(&series.errors) };
            match alone.builder(errors).terms(terms).build(&cpu()) {
                Ok(search) => {
                    assert!(most_off(&search.power(&grid).unwrap(), &powers.to_owned()) < 1e-12);
                    light_curves.push(search);
                }
                Err(_) => assert!(powers.iter().all(|power| power.is_nan())),
            }
        }
        assert_eq!(light_curves.len(), 8);
        let each = LombScargle::power_of_each(&light_curves, &grid).unwrap();
        for (search, powers) in light_curves.iter().zip(each.outer_iter()) {
            assert!(most_off(&search.power(&grid).unwrap(), &powers.to_owned()) < 1e-12);
        }
        let any = Frequencies::any(grid.iter().rev().collect::<Vec<_>>()).unwrap();
        let again = LombScargle::power_of_each(&light_curves, &any).unwrap();
        assert!(again.iter().zip(each.slice(ndarray::s![.., ..;-1])).all(|(a, b)| (a - b).abs() < 1e-11));
        values[[0, 0, 3]] = f64::INFINITY;
        assert!(plan.power(&values).is_err() && plan.power(&values.slice(ndarray::s![.., .., 1..])).is_err());
        values[[0, 0, 3]] = 0.5;
    }
    let other = series.builder("none").normalization(Normalization::Log).build(&cpu()).unwrap();
    let first = series.builder("none").build(&cpu()).unwrap();
    assert!(LombScargle::power_of_each(&[first, other], &Frequencies::any([0.1]).unwrap()).is_err());
}
