"""What a training step has to compute, whoever computes more."""


def gigaflop(size, channels):
    """What a step needs per image: multiplications and additions, cropped taps left out."""
    if size == 28:
        maps, layers = (3, 4, 6, 10, 28), [(2, 2, 1)] * 3 + [(3, 3, 1)]
    else:
        maps, layers = [size * 2 ** i // 16 for i in range(5)], [(4, 2, 1)] * 4
    depths = (512, 256, 128, 64, channels)
    # Of each deconvolution of G, and of the convolution of D that mirrors it.
    products = [
        depths[i] * depths[i + 1] * sum(0 <= stride * p + tap - pad < maps[i + 1]
                                        for p in range(maps[i]) for tap in range(ksize)) ** 2
        for i, (ksize, stride, pad) in enumerate(layers)]
    linear = 512 * maps[0] ** 2
    # G forward, D forward twice; back: to D's input, through G, and D's parameters twice. First
    # layers need no gradient of their inputs, but for D's in the generator's loss.
    return 2e-9 * (10 * sum(products) - 2 * products[-1] + 2 * 100 * linear + 7 * 2 * linear)
