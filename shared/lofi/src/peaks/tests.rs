use super::*;
use proptest::prelude::*;

const MONO: Spec = Spec { sample_rate_hz: 44_100, channels: 1 };

fn peaks_of(samples: &[f32], spec: Spec) -> Peaks {
    let mut builder = PeaksBuilder::new(spec);
    for block in samples.chunks(1000 * usize::from(spec.channels)) {
        builder.add(block);
    }
    builder.finish()
}

#[test]
fn a_column_is_the_least_and_greatest_of_its_samples() {
    let mut samples = vec![0.0; 64];
    (samples[3], samples[60]) = (-0.5, 1.0);
    samples.extend([0.25; 10]);
    let peaks = peaks_of(&samples, MONO);
    assert_eq!(peaks.columns(), [(-64, 127), (32, 32)]);
    assert_eq!((peaks.sample_rate_hz(), peaks.samples_per_column()), (44_100, 64));
}

#[test]
fn channels_are_mixed_and_overs_are_cut() {
    let spec = Spec { channels: 2, ..MONO };
    let peaks = peaks_of(&[1.0, -1.0, 40.0, 2.0, -9.0, -9.0], spec);
    assert_eq!(peaks.columns(), [(-127, 127)]);
}

#[test]
fn a_long_song_has_as_many_columns_as_a_short_one() {
    let mut builder = PeaksBuilder::new(MONO);
    let block = vec![0.5; 1 << 16];
    for _ in 0..2000 {
        builder.add(&block);
    }
    let peaks = builder.finish();
    let columns = peaks.columns().len();
    assert!((COLUMNS_MAX / 2..=COLUMNS_MAX).contains(&columns), "{columns}");
    assert_eq!(columns, (2000_usize << 16).div_ceil(peaks.samples_per_column() as usize));
    assert!(peaks.columns().iter().all(|c| *c == (64, 64)));
}

#[test]
fn dat_is_laid_out_as_audiowaveform_says() {
    let peaks = peaks_of(&[-1.0, 1.0], MONO);
    let dat = [
        &[2, 0, 0, 0][..],
        &[1, 0, 0, 0],
        &44_100_u32.to_le_bytes(),
        &[64, 0, 0, 0],
        &[1, 0, 0, 0],
        &[1, 0, 0, 0],
        &[0x81, 0x7F],
    ]
    .concat();
    assert_eq!(peaks.to_dat(), dat);
    let json = serde_json::to_value(&peaks).unwrap();
    let told = serde_json::json!({
        "version": 2, "channels": 1, "sample_rate": 44_100, "samples_per_pixel": 64,
        "bits": 8, "length": 1, "data": [-127, 127],
    });
    assert_eq!(json, told);
}

#[test]
fn other_bytes_are_refused() {
    let dat = peaks_of(&[0.5; 1000], MONO).to_dat();
    assert_eq!(Peaks::from_dat(&[]), Err(PeaksError::Kind));
    assert_eq!(
        Peaks::from_dat(&dat[..dat.len() - 1]),
        Err(PeaksError::Length { said: 16, found: 15 })
    );
    let mut other = dat.clone();
    other[0] = 1;
    assert_eq!(Peaks::from_dat(&other), Err(PeaksError::Kind));
    let mut huge = dat;
    huge[16..20].copy_from_slice(&[0xFF; 4]);
    assert!(matches!(Peaks::from_dat(&huge), Err(PeaksError::Length { .. })));
}

proptest! {
    #[test]
    fn dat_and_json_come_back(samples in prop::collection::vec(-2.0_f32..2.0, 1..5000)) {
        let peaks = peaks_of(&samples, MONO);
        prop_assert_eq!(&Peaks::from_dat(&peaks.to_dat()).unwrap(), &peaks);
        let json = serde_json::to_string(&peaks).unwrap();
        prop_assert_eq!(&serde_json::from_str::<Peaks>(&json).unwrap(), &peaks);
    }

    #[test]
    fn an_overview_leaves_nothing_out(
        samples in prop::collection::vec(-1.0_f32..1.0, 1..20_000),
        n in 0_usize..500,
    ) {
        let peaks = peaks_of(&samples, MONO);
        let overview = peaks.overview(n);
        prop_assert_eq!(overview.len(), n.min(peaks.columns().len()));
        if n > 0 {
            let all = |columns: &[(i8, i8)]| columns.iter().copied().reduce(merge);
            prop_assert_eq!(all(&overview), all(peaks.columns()));
        }
    }

    #[test]
    fn random_bytes_are_no_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        drop(Peaks::from_dat(&bytes));
    }
}
