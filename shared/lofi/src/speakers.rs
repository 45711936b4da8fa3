//! Which speaker a channel is for, when only their number is known: the order of
//! `WAVE_FORMAT_EXTENSIBLE`, which FLAC and our decoders keep as well.

use ebur128::Channel;
use std::f32::consts::FRAC_1_SQRT_2;

/// A speaker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Speaker {
    Left,
    Right,
    Center,
    /// For effects only: no part of loudness or of a mix.
    Low,
    SideLeft,
    SideRight,
    BackLeft,
    BackRight,
    BackCenter,
}

use Speaker::{BackCenter, BackLeft, BackRight, Center, Left, Low, Right, SideLeft, SideRight};

/// What each channel is for, by how many there are.
pub(crate) fn of(channels: u8) -> &'static [Speaker] {
    match channels {
        1 => &[Center],
        2 => &[Left, Right],
        3 => &[Left, Right, Center],
        4 => &[Left, Right, SideLeft, SideRight],
        5 => &[Left, Right, Center, SideLeft, SideRight],
        6 => &[Left, Right, Center, Low, SideLeft, SideRight],
        7 => &[Left, Right, Center, Low, BackCenter, SideLeft, SideRight],
        _ => &[Left, Right, Center, Low, BackLeft, BackRight, SideLeft, SideRight],
    }
}

impl Speaker {
    /// How it counts for loudness: ITU-R BS.1770-4.
    pub(crate) const fn loudness(self) -> Channel {
        match self {
            Left => Channel::Left,
            Right => Channel::Right,
            Center => Channel::Center,
            Low => Channel::Unused,
            SideLeft => Channel::LeftSurround,
            SideRight => Channel::RightSurround,
            BackLeft | BackCenter => Channel::Mp135,
            BackRight => Channel::Mm135,
        }
    }

    /// How much of it goes left and right in stereo: ITU-R BS.775-3, annex 4.
    pub(crate) const fn in_stereo(self) -> [f32; 2] {
        match self {
            Left => [1.0, 0.0],
            Right => [0.0, 1.0],
            Center => [FRAC_1_SQRT_2, FRAC_1_SQRT_2],
            Low => [0.0, 0.0],
            SideLeft | BackLeft => [FRAC_1_SQRT_2, 0.0],
            SideRight | BackRight => [0.0, FRAC_1_SQRT_2],
            BackCenter => [0.5, 0.5],
        }
    }
}
