from keras_repvis.claims import convolution_twin
from keras_repvis.models.mobilenet import v1


def test_blocks_of_both_networks_match_the_table():
    widths = [row.filters for row in v1.ROWS for _ in range(row.repeats)]
    for cost in convolution_twin.costs():
        blocks = convolution_twin.blocks(cost)
        assert [filters for filters, _ in blocks] == widths
        stem_and_classifier = 112**2 * 27 * 32 + 1024 * 1000
        assert sum(multiply_adds for _, multiply_adds in blocks) + stem_and_classifier == cost.multiply_adds
