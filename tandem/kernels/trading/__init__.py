"""The compiled trading state machine; `tandem.strategy.trader.Trader` is its public face.

Arrays in, arrays out. What must survive from one call to the next lives in one record of type
`NOW`, so that any chunking of the same bars gives the same numbers to the last bit.
"""
