//! Properties of every decoded message, shared by the targets that decode messages.

use excc_peer::wire::{
    Decoder, EncodedMessage, HEADER_LEN, InputBuffer, Message, MixMessage, Protocol, TrailingBytes,
};
use excc_peer::{Chain, Network};

use crate::walk::walk;

/// On what terms messages are decoded.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Terms {
    pub(crate) network: Network,
    pub(crate) version: u32,
    pub(crate) trailing: TrailingBytes,
}

impl Terms {
    pub(crate) fn protocol(&self) -> Protocol {
        Protocol::new(self.network.chain(), self.version)
    }

    pub(crate) fn decoder(&self) -> Decoder {
        let mut decoder = Decoder::new(self.network, self.version);
        decoder.set_trailing_bytes(self.trailing);
        decoder
    }

    /// A message that was decoded from `payload` can be encoded, and comes back as it was.
    pub(crate) fn check(&self, message: &Message, payload: &[u8]) {
        walk(message, self.protocol());

        let encoded = EncodedMessage::new(&self.network, self.version, message)
            .expect("decoded messages can be encoded");
        let frame = encoded.to_bytes();
        assert_eq!(frame.len(), encoded.len());
        assert_eq!(encoded.command(), message.command());

        let mut buffer = InputBuffer::from(&frame[..]);
        let mut decoder = Terms { trailing: TrailingBytes::Reject, ..*self }.decoder();
        let again = decoder.decode(&mut buffer).expect("valid").expect("whole");
        assert_eq!((&again.message, again.len), (message, frame.len()));
        assert_eq!(decoder.incomplete_frame(buffer.len()), None);
        let encoded_again = EncodedMessage::new(&self.network, self.version, &again.message);
        assert_eq!(encoded_again, Ok(encoded));

        if let Some(mix) = message.as_mix() {
            check_mix(mix, &frame[HEADER_LEN..]);
        }

        // Every other message has one form only.
        if !matches!(message, Message::Version(_)) {
            assert!(payload.starts_with(&frame[HEADER_LEN..]));
            if self.trailing == TrailingBytes::Reject {
                assert_eq!(frame.len() - HEADER_LEN, payload.len());
            }
        }
    }
}

/// The hashes of a message of a mix are those of parts of its payload.
fn check_mix(mix: &dyn MixMessage, payload: &[u8]) {
    let (signature, signed) = payload.split_at(mix.signature().len());
    assert_eq!((signature, &signed[..33]), (&mix.signature()[..], &mix.identity()[..]));

    let digest = |parts: &[&[u8]]| Chain::Decred.hash_function().digest(parts);
    assert_eq!(mix.message_hash(), Ok(digest(&[payload])));
    let tag = format!("{}-sig", mix.command());
    let tagged = [&[tag.len() as u8], tag.as_bytes(), signed].concat();
    assert_eq!(mix.signature_hash(), Ok(digest(&[&tagged])));
    assert_eq!(mix.signed_bytes(), Ok(tagged));
}
