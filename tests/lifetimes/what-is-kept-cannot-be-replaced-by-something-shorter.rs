// error: `text` does not live long enough
use crate::apache::pool::Keep;
use crate::lifetimes::Texts;

static KEPT: Keep<Texts> = Keep::new();

fn claim() {
    let text = String::from("gone before the configuration");
    KEPT.with(|_, kept| {
        if let Some(kept) = kept {
            *kept = &text;
        }
    });
}
