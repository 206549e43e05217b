import { type ImageShape, MIB } from "./archives.ts";

/** One layer of 1 GiB: what a push of a large layer costs. */
export const ONE_LARGE: ImageShape = { name: "1x1024", layers: 1, layerBytes: 1024 * MIB };

/** 8 layers of 400 MiB: several large layers at once. */
export const SOME_LARGE: ImageShape = { name: "8x400", layers: 8, layerBytes: 400 * MIB };

/** 8 layers of 50 MiB: a usual image. */
export const SOME_MIDDLING: ImageShape = { name: "8x50", layers: 8, layerBytes: 50 * MIB };

/** 200 layers of 0.5 MiB: what a request costs. */
export const MANY_SMALL: ImageShape = { name: "200x0.5", layers: 200, layerBytes: MIB / 2 };
