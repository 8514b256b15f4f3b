// error: lifetime may not live long enough
use crate::apache::pool::Keep;
use crate::lifetimes::Texts;

static KEPT: Keep<Texts> = Keep::new();

fn claim() -> Option<&'static str> {
    KEPT.with(|_, kept| kept.map(|text| *text))
}
