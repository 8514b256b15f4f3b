// error: `text` does not live long enough
use crate::apache::pool::{ConfigurationPool, Keep};
use crate::lifetimes::Texts;

static KEPT: Keep<Texts> = Keep::new();

fn claim<'c>(configuration: ConfigurationPool<'c>) {
    let text = String::from("gone before the configuration");
    configuration.keep(&KEPT, &text);
}
