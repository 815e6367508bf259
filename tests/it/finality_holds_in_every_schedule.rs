//! The finality overlay within small bounds, exhaustively (consensus.md §10, "Model checker").

use nupeer_tests::explore::{SMALL, Search, replay};

#[test]
fn no_property_breaks_and_only_liars_are_convicted() {
    for bounds in SMALL {
        let found = Search::new(*bounds).run();
        println!("{}: {} states, {} transitions", bounds.name, found.states, found.transitions);
        assert_eq!(found.broken, None, "{}", bounds.name);
        assert!(found.is_complete, "{}", bounds.name);
        assert!(found.last > 0, "{}: nothing ever becomes final", bounds.name);
        let liars = bounds.name == "half lies";
        assert_eq!(found.convictions > 0, liars, "{}", bounds.name);
        if let Some(way) = found.first_conviction {
            // P10.
            let (keys, story) = replay(*bounds, &way).unwrap();
            assert_eq!(replay(*bounds, &way).unwrap(), (keys, story));
        }
    }
}
