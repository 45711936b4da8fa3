use super::*;

#[test]
fn ours_are_good_and_come_back() {
    for profile in [Profile::classic(), Profile::standard(), Profile::preview()] {
        profile.validate().unwrap();
        assert_eq!(Profile::named(&profile.name), Some(profile.clone()));
        let json = serde_json::to_string(&profile).unwrap();
        assert_eq!(serde_json::from_str::<Profile>(&json).unwrap(), profile);
    }
    assert_eq!(Profile::default().name, "standard");
    assert_eq!(Profile::named("loud"), None);
}

#[test]
fn they_are_written_like_this() {
    let profile: Profile = serde_json::from_str(
        r#"{"name": "tape", "encoding": {"mp3": {"bitrate_bps_max": 48000}},
            "channels_max": 2, "sample_rate_hz_max": 32000,
            "excerpt": {"duration_ms": 30000, "fade_ms": 500}}"#,
    )
    .unwrap();
    profile.validate().unwrap();
    let wav: Profile = serde_json::from_str(
        r#"{"name": "wav", "encoding": {"wav": {}}, "channels_max": 1, "sample_rate_hz_max": 8000}"#,
    )
    .unwrap();
    wav.validate().unwrap();
}

#[test]
fn what_is_wrong_is_said() {
    let said = |change: &dyn Fn(&mut Profile)| {
        let mut profile = Profile::standard();
        change(&mut profile);
        profile.validate().unwrap_err().to_string()
    };
    assert!(said(&|p| p.name = "No Go".into()).contains("\"No Go\" has not"));
    assert!(said(&|p| p.name = String::new()).contains("1 to 40"));
    assert!(said(&|p| p.channels_max = 6).contains("not 6"));
    assert!(said(&|p| p.channels_max = 0).contains("not 0"));
    assert!(said(&|p| p.sample_rate_hz_max = 44_000).contains("no sample rate of 44000 Hz"));
    let odd = said(&|p| p.encoding = Encoding::Mp3 { bitrate_bps_max: 65_000 });
    assert!(odd.contains("no bitrate of 65000 bit/s") && odd.contains("64000, 80000"), "{odd}");
    let low = said(&|p| {
        p.encoding = Encoding::Mp3 { bitrate_bps_max: 128_000 };
        p.sample_rate_hz_max = 8000;
    });
    assert!(low.contains("at 8000 Hz"), "{low}");
    let excerpt =
        |duration_ms, fade_ms| said(&|p| p.excerpt = Some(Excerpt { duration_ms, fade_ms }));
    assert!(excerpt(10, 0).contains("1000 to 21600000 ms, not 10"));
    assert!(excerpt(3000, 2000).contains("cannot fade"));
    assert!(
        said(&|p| {
            p.encoding = Encoding::Wav {};
            p.sample_rate_hz_max = 1;
        })
        .contains("8000 to 192000")
    );
}
