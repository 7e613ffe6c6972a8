"""What the talker can tell at length."""

STORY = (
    "Here is a story. Once upon a time there was a small lighthouse at the end of a long stone"
    " pier. Nobody lived in it but a grey cat called Pepper, who slept all day and watched the"
    " sea all night. Every evening, when the sun went down, Pepper climbed the ninety nine steps"
    " to the lamp, and pushed the big brass switch with both front paws. Then the light went"
    " round and round, and the ships found their way home. One night in November a thick fog"
    " came in from the west, so thick that the light could not be seen from the next window."
    " Far out, a fishing boat was looking for the harbour. The captain called, but only the fog"
    " answered. Pepper heard him. The cat thought for a moment, walked to the great bell by the"
    " door, and jumped on the rope. The bell rang once. Pepper jumped again, and it rang twice."
    " All night long the cat jumped and the bell rang, and slowly, slowly, the boat came nearer."
    " When morning came the fog was gone, and the boat lay safe beside the pier. The captain"
    " carried his best fish up to the lighthouse door, and there he found one very tired cat,"
    " fast asleep on the rope. From that day on there was always fish for breakfast. And that is"
    " the end of the story."
)
JOKE = "Why did the microphone go to school? Because it wanted to be a loud speaker."
