// error: `text` does not live long enough
use crate::apache::pool::{ConfigurationPool, Forked};
use crate::lifetimes::Texts;

fn claim<'c>(configuration: ConfigurationPool<'c>, forked: Forked) -> &'static str {
    let text = String::from("gone at the end of this function");
    forked.lasting::<Texts>(configuration.life(), &text)
}
