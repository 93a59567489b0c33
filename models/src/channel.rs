//! The channels: running values that say, one-sidedly, how unlike the baseline a session is.
//!
//! Each is a file of its own below this one: what it reads, what runs in it, how its values are read, and how it explains
//! itself. [`CHANNELS`] is the one place that lists them. Nothing else knows a channel by its name or its place there.

mod actions;
mod calls;
mod cluster;
mod novelty;
mod running;
mod sequence;
mod volume;

pub(crate) use running::Running;
pub use running::{Chances, Channel, TOGETHER_BOUND};

/// How many there are.
pub const COUNT: usize = 8;

/// Every channel, in the order in which values are kept.
pub static CHANNELS: [Channel; COUNT] = [
    sequence::FAST,
    sequence::SLOW,
    actions::CHANNEL,
    calls::FAST,
    calls::SLOW,
    novelty::CHANNEL,
    volume::CHANNEL,
    cluster::CHANNEL,
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_channel_has_a_name_of_its_own_and_a_sound_yardstick() {
        for (at, channel) in CHANNELS.iter().enumerate() {
            assert!(CHANNELS[..at].iter().all(|other| other.name != channel.name), "{}", channel.name);
            assert!(channel.unit > 0.0 && channel.bound > 0.0, "{}", channel.name);
            assert!(channel.weight > 0.0 && channel.weight <= 1.0, "{}", channel.name);
        }
        let order: f64 = CHANNELS.iter().filter(|channel| !channel.acts).map(|channel| channel.weight).sum();
        assert!((order - 1.0).abs() < 1e-12, "those of order count as one: {order}");
    }
}
