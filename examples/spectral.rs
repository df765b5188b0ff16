//! The light curve of a pulsating star, observed at night: its period, how sure it is, and a picture of both.
//!
//! ```sh
//! cargo run --release --features cli --example spectral
//! ```
//!
//! writes `spectral.svg`: the spectrum with the level that noise exceeds with a probability of 0.001, and the
//! magnitudes folded by the period.

use std::error::Error;
use std::f64::consts::TAU;

use plotters::prelude::*;
use wavemill::spectral::{AutoFrequency, FalseAlarm, LombScargle, Waves};
use wavemill::{Cpu, Device};

/// Times within some nights of 100, magnitudes, and their errors: a sawtooth-like wave of 0.617 days, and noise.
fn observe() -> (Vec<f64>, Vec<f64>, Vec<f64>) {
    let mut state = 1u32;
    let mut random = move || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        f64::from(state >> 8) / f64::from(1u32 << 24)
    };
    let mut times: Vec<f64> = (0..400).map(|_| (100.0 * random()).floor() + 0.3 * random()).collect();
    times.sort_by(f64::total_cmp);
    let magnitude = |time: f64| {
        let phase = TAU * time / 0.617;
        15.0 + 0.3 * phase.sin() + 0.12 * (2.0 * phase + 0.8).sin() + 0.05 * (3.0 * phase + 1.5).sin()
    };
    let errors: Vec<f64> = times.iter().map(|_| 0.03 + 0.05 * random()).collect();
    let noise = |error: &f64, sum: f64| error * (sum - 6.0);
    let values =
        times.iter().zip(&errors).map(|(&time, error)| magnitude(time) + noise(error, (0..12).map(|_| random()).sum()));
    let values = values.collect();
    (times, values, errors)
}

fn main() -> Result<(), Box<dyn Error>> {
    let (times, magnitudes, errors) = observe();
    let device = Device::from(Cpu::new());

    // The nights leave gaps every day, so that aliases differ from the period by whole cycles a day.
    let search = LombScargle::builder(&times, &magnitudes).errors(&errors).build(&device)?;
    let grid = search.autofrequency(&AutoFrequency { maximum: Some(6.0), ..AutoFrequency::default() })?;
    let power = search.power(&grid)?;
    let level = search.false_alarm_level(FalseAlarm::Baluev, 0.001, grid.highest())?;
    for peak in search.peaks(&grid, &power, 3)? {
        let frequency = peak.wave.frequency;
        let alarm = search.false_alarm_probability(peak.power, grid.highest())?;
        println!(
            "{:.5} ± {:.5} a day: power {:.3}, false alarm {alarm:.1e}",
            frequency.value, frequency.error, peak.power
        );
    }

    // Three Fourier terms describe the shape; the frequency is refined with them.
    let best = search.peaks(&grid, &power, 1)?[0].wave.frequency.value;
    let fit = Waves::fit(&times, &magnitudes, Some(&errors), &[best], 3, 0)?;
    let frequency = fit.waves[0].frequency;
    let period = 1.0 / frequency.value;
    println!("period {period:.6} ± {:.6} days", frequency.error * period * period);
    assert!((period - 0.617).abs() < 5.0 * frequency.error * period * period);

    let root = SVGBackend::new("spectral.svg", (900, 620)).into_drawing_area();
    root.fill(&WHITE)?;
    let areas = root.split_evenly((2, 1));
    let mut chart = ChartBuilder::on(&areas[0])
        .margin(12)
        .x_label_area_size(40)
        .y_label_area_size(60)
        .build_cartesian_2d(0.0..grid.highest(), 0.0..1.0)?;
    chart.configure_mesh().x_desc("frequency, cycles per day").y_desc("power").draw()?;
    chart.draw_series(LineSeries::new(grid.iter().zip(power.iter().copied()), &BLUE))?;
    chart.draw_series(LineSeries::new([(0.0, level), (grid.highest(), level)], &RED))?;
    let mut chart = ChartBuilder::on(&areas[1])
        .margin(12)
        .x_label_area_size(40)
        .y_label_area_size(60)
        .build_cartesian_2d(0.0..2.0, 15.8..14.2)?;
    chart.configure_mesh().x_desc("phase").y_desc("magnitude").draw()?;
    let points = times.iter().zip(&magnitudes).flat_map(|(time, &magnitude)| {
        let phase = (time / period).rem_euclid(1.0);
        [(phase, magnitude), (phase + 1.0, magnitude)]
    });
    chart.draw_series(points.map(|point| Circle::new(point, 2, BLUE.filled())))?;
    root.present()?;
    println!("spectral.svg is drawn");
    Ok(())
}
